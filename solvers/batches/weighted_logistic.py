"""Logistic regression with a weight for each row: a problem of a batch on its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..common.cached import cached
from ..objectives import LogisticRegression
from ..objectives.linear.logistic_point import LogisticPoint, log_sigmoid


class WeightedLogisticRegression(LogisticRegression):
    """scale sum_i v_i loss_i + l2/2 ||w||^2, with weights v_i > 0 that are stored with mean 1.

    scale: 1 over the sum of the weights for "mean", 1 for "sum". Otherwise as LogisticRegression.
    """

    def __init__(self, X: Tensor, y: Tensor, weight: Tensor, reduction: str = "mean", **settings: Any) -> None:
        super().__init__(X, y, reduction=reduction, **settings)
        mean = float(weight.double().mean())
        self.given_weight, self.weight = weight, weight / mean  # (n,)
        if reduction == "sum":
            self.scale = mean
        self.columns = self._signed = self._signed_transposed = None  # kernels without weights

    def at(self, x: Tensor) -> LogisticPoint:
        return WeightedPoint(self, x)

    def over(self, X: Tensor) -> LogisticRegression:
        settings = {"l2": self.l2, "fit_intercept": self.fit_intercept}
        weight = self.given_weight.to(X.dtype)
        return WeightedLogisticRegression(X, self.y.to(X.dtype), weight, self.reduction, **settings)

    @cached
    def norm_squared(self) -> float:
        """A bound on ||X||_F^2 and on sum_i v_i ||x_i||^2, with the intercept's column."""
        squares = self.X.double().square().sum(1) + self.fit_intercept
        return float((squares * self.weight.clamp(min=1)).sum())


class WeightedPoint(LogisticPoint):
    """Its derivatives: every row's part times its weight."""

    @cached
    def value(self) -> Tensor:
        f, m = self.objective, self.margins
        gain = log_sigmoid(m) if f.binary else f.y * log_sigmoid(m) + (1 - f.y) * log_sigmoid(-m)
        w = self.x[:-1] if f.fit_intercept else self.x
        return torch.dot(gain, f.weight) * -f.scale + f.l2 / 2 * torch.dot(w, w)

    @cached
    def residuals(self) -> Tensor:
        """v (p - y), (n,)."""
        f, wrong = self.objective, self.error_probability
        if f.binary:
            return wrong * f.signs * -f.weight
        return ((1 - f.y) * torch.sigmoid(self.margins) - f.y * wrong) * f.weight

    @property
    def row_slopes(self) -> Tensor:
        return self.error_probability * self.objective.weight if self.objective.binary else self.residuals

    @cached
    def curvature(self) -> Tensor:
        """v p (1 - p), (n,)."""
        return torch.sigmoid(self.margins) * self.error_probability * self.objective.weight

    @cached
    def gradient(self) -> Tensor:
        return self.objective.transposed_product(self.residuals, self.x)

    def third_derivative(self, moves: Tensor) -> Tensor:
        bends = self.curvature * (1 - 2 * self.error_probability) * moves.square() * self.objective.signs
        return self.objective.transposed_product(bends, sign=-1)

    def change(self, drift: Tensor) -> tuple[float, float]:
        f = self.objective
        most = (self.error_probability if f.binary else self.margins.new_ones(1)) * f.weight
        gap = 0.5 * f.scale * float(torch.dot(most, drift.square()))
        return f.scale * float(torch.dot(self.row_slopes, drift)), gap

    def has_minimiser(self) -> bool:
        return False  # a part of the rows would have to be weighted, too

    def rounding_gap(self) -> float:
        """Half the curvature along the rounding of the margins, row by row, at most."""
        f = self.objective
        error = torch.finfo(self.x.dtype).eps * f.reach(self.x)  # (n,)
        curvature = torch.minimum(self.curvature * error.clamp(max=1).exp(), 0.25 * f.weight)
        curvature = torch.where(error <= 1, curvature, 0.25 * f.weight)
        return 0.5 * f.scale * float(torch.dot(curvature * error, error))
