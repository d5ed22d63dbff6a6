"""Linear models: points built on margins, and rays that carry them along."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ...common.cached import cached
from ...common.instrumentation import count
from ...common.scalars import add_scaled
from ...common.validation import EPS
from ...linalg.kernels import bucket_sums
from ...linalg.kronecker import KroneckerFactors
from ..base import Point, Ray

REFRESH = 10  # steps after which margins carried along rays are recomputed, so that rounding does not accumulate
LARGE = 1 << 17  # bytes of a vector that malloc asks the kernel for (M_MMAP_THRESHOLD of mallopt(3))
LONGEST = 0.5  # move of a row along a step whose gain the quadratic model predicts to about a fifth
METRIC = ("hessian", "_newton_factor")  # what a refreshed point inherits


class LinearPoint(Point):
    """f near w where f depends on w through `objective.margins(w)`, which is linear in w.

    A subclass defines the derivatives, and `change`: the effect on f of moving the margins.
    """

    def __init__(self, objective: Any, x: Tensor, margins: Tensor | None = None, age: int = 0) -> None:
        self.objective = objective
        self.x = x
        self.age = age  # steps since the margins were computed from X
        if margins is not None:
            self.margins = margins

    @cached
    def margins(self) -> Tensor:
        count("margins")
        return self.objective.margins(self.x)

    @cached
    def scratch(self) -> Tensor | None:
        """Memory for a large vector that does not outlive its expression; None: allocate one.

        The pages of a new vector are mapped when they are first touched: filling one of 400 kB took 250 microseconds,
        and filling this one again takes 30. It is passed from point to point along a run.
        """
        margins = self.margins
        large = margins.numel() * margins.element_size() >= LARGE and margins.device.type == "cpu"
        if not large or margins.requires_grad:
            return None
        with torch.inference_mode(False):  # the point may be used after the run
            return torch.empty(margins.shape, dtype=margins.dtype)

    @cached
    def length(self) -> float:
        """||w||, in float64: in float32 small squares would vanish."""
        return float(torch.linalg.vector_norm(self.x, dtype=torch.float64))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "scratch"}

    @property
    def gauss_newton(self) -> Tensor:
        """The Hessian itself, (d, d): margins have no curvature."""
        return self.hessian

    def gnvp(self, v: Tensor) -> Tensor:
        return self.hvp(v)

    @cached
    def kronecker_factors(self) -> KroneckerFactors:
        """Of one layer, without the links between rows and their curvatures: 1/n X^T X and `class_curvature`.

        Class by class, as the coefficients are. An intercept is penalised here with the others.
        """
        return KroneckerFactors([(self.class_curvature(), self.objective.second_moments)], self.objective.l2)

    def class_curvature(self) -> Tensor:
        """scale sum_i C_i, (K, K), C_i the Hessian of the loss of the row i in its K logits."""
        return (self.curvature.sum() * self.objective.scale).view(1, 1)

    @property
    def row_slopes(self) -> Tensor:
        """The slopes of the rows' losses in their margins, as margins are counted, up to one sign for all of them."""
        return self.residuals

    def change(self, drift: Tensor) -> tuple[float, float]:
        """To first order the change of f if the margins move by `drift`; and a bound on the second-order gap."""
        raise NotImplementedError

    def third_derivative(self, moves: Tensor) -> Tensor:
        """D^3 f(x)[d, d], (d,), along a direction that moves the margins by `moves`."""
        raise NotImplementedError

    def loss_slope(self, moves: Tensor) -> float:
        """How fast the loss rises, without its penalty, as the margins move."""
        raise NotImplementedError

    def gradient_noise(self) -> float:
        """eps (scale ||X||_F ||residuals|| + l2 ||w||): each entry of X^T r is a sum of rounded products."""
        f, residuals = self.objective, float(torch.linalg.vector_norm(self.row_slopes, dtype=torch.float64))
        return EPS[self.x.dtype] * (f.scale * math.sqrt(f.norm_squared) * residuals + f.l2 * self.length)

    def rounding_gap(self) -> float:
        """The gap that the rounding of the margins may hide.

        Where the gradient vanishes at margins m + e, the true one is that of the curvatures times -e to first order;
        its decrement is at most half the curvature along e, for a projection makes nothing longer.
        """
        return 0.5 * self.curvature_noise(self.x)

    def null_space_dimension(self) -> int | None:
        return self.objective.null_space_dimension

    def in_double(self) -> LinearPoint | None:
        double = self.objective.in_double()
        return None if double is None else double.at(self.x.double())

    def margin_increase(self, step: Tensor) -> Tensor:
        """How far a step moves each margin in the direction in which the loss of its row falls."""
        raise NotImplementedError

    def refreshed(self) -> Point:
        fresh = None if self.age == 0 else self._refreshed
        return self if fresh is None else fresh

    def recomputed(self) -> Point:
        return self if self.age == 0 else type(self)(self.objective, self.x)

    @cached
    def _refreshed(self) -> Point | None:
        """The point with margins computed from X; None if the difference is below rounding level.

        A stored w may have fewer digits than the one whose margins were carried. The new point inherits the Hessian
        and its factor, which are only the metric that the gradient is measured in.
        """
        fresh = type(self)(self.objective, self.x)
        self.drift = fresh.margins - self.margins
        first, second = self.change(self.drift)
        noise = EPS[self.x.dtype] * self.float_value
        if second <= noise and abs(first) <= 4 * noise:
            return None
        fresh.__dict__.update({name: self.__dict__[name] for name in METRIC if name in self.__dict__})
        return fresh

    def root_weights(self, signs: Tensor) -> Tensor:
        """Of the rows of X in each class's part of s_i A_i, (n, K), for signs (n, K): see `sketched_hessian`."""
        raise NotImplementedError

    def sketched_hessian(self, size: int, generator: torch.Generator) -> Tensor:
        """By a count sketch: every row of X, with random signs, is added to one of `size` rows, each of which gets
        equally many. (Clarkson & Woodruff 2017, J. ACM 63, article 54; the buckets there are drawn independently.)

        Where there are as many as X has and A has no more, S is a signed permutation, and nothing is lost.
        """
        f = self.objective
        n, classes = len(f.X), f.size // (f.X.shape[1] + f.fit_intercept)
        size = min(size, n)
        buckets = torch.randperm(n, generator=generator).remainder_(size).to(self.x.device)
        signs = torch.randint(2, (n, classes), generator=generator).mul_(2).sub_(1).to(self.x)
        parts = []
        for weights in self.root_weights(signs).T:
            parts.append(bucket_sums(f.X, weights, buckets, size))
            if f.fit_intercept:
                parts.append(weights.new_zeros(size, 1).index_add_(0, buckets, weights.unsqueeze(1)))
        rows = torch.cat(parts, dim=1)  # (size, d)
        sketched = rows.T @ rows
        sketched.diagonal().add_(f.penalties)
        return sketched

    def gradient_drift(self) -> float:
        """scale ||X||_F ||drift|| / 2: a residual changes by at most half as much as its margins (Boehning 1992)."""
        if self.age == 0:
            return 0.0
        f, _ = self.objective, self.refreshed()
        return 0.5 * f.scale * math.sqrt(f.norm_squared) * float(torch.linalg.vector_norm(self.drift.double()))

    def along(self, direction: Tensor) -> LinearRay:
        # Where the margins of the Newton direction came with it. (The ray itself, which holds this point, would make a
        # cycle: no point of a run would be freed before the garbage collector comes round.)
        newton, moves = self.__dict__.get("newton_moves", (None, None))
        if newton is direction:
            return self.newton_ray(direction, moves)
        return LinearRay(self, self.objective.centred(direction))

    def newton_ray(self, direction: Tensor, moves: Any) -> LinearRay:
        return LinearRay(self, direction, moves)

    def at(self, x: Tensor, margins: Tensor, age: int) -> LinearPoint:
        """The point x, with margins that were carried along for so many steps."""
        return type(self)(self.objective, x, margins, age)

    def __add__(self, step: Tensor) -> LinearPoint:
        return self.objective.at(self.x + self.objective.centred(step))


class LinearRay(Ray):
    """Margins along the ray: m(t) = m + t margins(direction), so that a trial costs O(n) and not O(n d).

    The trick is LIBLINEAR's (Fan et al. 2008, JMLR 9, p. 1871). The accepted point inherits its margins.
    """

    point: LinearPoint

    def __init__(self, point: LinearPoint, direction: Tensor, moves: Tensor | None = None) -> None:
        self.point = point
        self.direction = direction
        if moves is None:
            count("margins")
            moves = point.objective.margins(direction)
        self.moves = moves

    def third_derivative(self) -> Tensor:
        count("third_derivatives")
        return self.point.third_derivative(self.moves)

    def with_added_direction(self, step: Tensor, t: float = 1.0) -> LinearRay:
        count("margins")
        step = self.point.objective.centred(step)
        moves = self.point.objective.margins(step)
        direction = torch.add(self.direction, step, alpha=t)
        out = None if direction.requires_grad else moves
        return LinearRay(self.point, direction, torch.add(self.moves, moves, alpha=t, out=out))

    def at(self, t: float) -> LinearPoint:
        point = self.point
        whole = t == 1.0  # the first and most frequent step: plain sums cost a quarter less
        x = point.x + self.direction if whole else add_scaled(point.x, self.direction, t)
        if point.age >= REFRESH:
            return type(point)(point.objective, x)
        margins = point.margins + self.moves if whole else add_scaled(point.margins, self.moves, t)
        reached = point.at(x, margins, point.age + 1)
        if (scratch := point.__dict__.get("scratch")) is not None:
            reached.scratch = scratch
        return reached

    def slope(self, trial: LinearPoint) -> float:
        """From the margins, in O(n): the gradient is computed only if the trial is accepted."""
        f = trial.objective
        penalty = float(torch.dot(f.penalised(trial.x).flatten(), self.direction)) if f.l2 > 0 else 0.0
        return trial.loss_slope(self.moves) + penalty
