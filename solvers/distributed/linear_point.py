"""Linear models over processes near one w, each process with the margins of its rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..common.cached import cached
from ..common.instrumentation import count
from ..common.scalars import add_scaled
from ..common.validation import EPS
from ..linalg.kronecker import KroneckerFactors
from ..objectives.base import Ray
from ..objectives.linear.margins import METRIC, LinearPoint, LinearRay
from .sharded import ShardedPoint, alone


class ShardedLinearPoint(ShardedPoint):
    """f near w, each process with the margins of its rows.

    Every bound on a rounding error is the sum of those of the local points, which are sums over rows.
    """

    objective: Any  # a ShardedLinearModel, whose module imports this one
    local: LinearPoint
    moves: Tensor | None = None  # of the margins along the ray that led here
    ray_slope: Tensor | None = None  # along that, without the penalty
    unseparated = math.inf  # rows, or their margins, that are on the wrong side; known where it matters

    def _count_margins(self) -> None:
        if "margins" not in self.local.__dict__:
            count("margins")

    def _beside_the_value(self) -> list[Tensor]:
        """Of a trial the slope along its ray; and the number of margins that are not on the right side."""
        local, f, parts = self.local, self.objective, []
        if self.moves is not None:
            parts.append(self.x.new_tensor([local.loss_slope(self.moves)]))
        if f.l2 == 0 and f.binary:
            margins = local.margins
            wrong = margins.numel() - (margins < 0).sum() - len(margins) if margins.ndim == 2 else (margins <= 0).sum()
            parts.append(wrong.reshape(1).to(self.x))
        return parts

    def _note_beside(self, sums: list[Tensor]) -> None:
        if self.moves is not None:
            self.ray_slope, self.moves = sums.pop(0), None
        if sums:
            self.unseparated = float(sums[0])

    def _with_penalty(self, hessian: Tensor) -> Tensor:
        if self.objective.l2 > 0:
            (hessian.diagonal() if hessian.ndim == 2 else hessian).add_(self.objective.penalties)
        return hessian

    @cached
    def hessian_diagonal(self) -> Tensor:
        with alone():
            part = self.local.hessian_diagonal
        return self._with_penalty(self.objective.group.sum(part)[0])

    def hvp(self, v: Tensor) -> Tensor:
        product = self._sum(lambda local: local.hvp(v))
        return product if self.objective.l2 == 0 else product.addcmul_(self.objective.penalties, v)

    def sketched_hessian(self, size: int, generator: torch.Generator) -> Tensor:
        """As of a LinearPoint: each process sketches its own rows, to its share of `size`, and these Hessians add up.

        A sketch of all rows by a block for each process: not the one that a single process draws."""
        f, n = self.objective, len(self.local.objective.X)
        own = torch.Generator().manual_seed(generator.initial_seed() + 7_368_787 * f.group.rank)
        return self._triangle(lambda: self.local.sketched_hessian(math.ceil(size * n / f.n), own))

    @property
    def gauss_newton(self) -> Tensor:
        return self.hessian

    def gnvp(self, v: Tensor) -> Tensor:
        return self.hvp(v)

    @cached
    def kronecker_factors(self) -> KroneckerFactors:
        f = self.objective
        (curvature,) = f.group.sum(self.local.class_curvature())
        return KroneckerFactors([(curvature, f.second_moments)], f.l2)

    def along(self, direction: Tensor) -> ShardedLinearRay:
        direction = self.objective.centred(direction)
        count("margins")
        with alone():
            return ShardedLinearRay(self, direction, LinearRay(self.local, direction))

    def __add__(self, step: Tensor) -> ShardedLinearPoint:
        return self.objective.at(self.x + self.objective.centred(step))

    def identified(self) -> Any:
        return type(self.local).identified(self)

    def null_space_dimension(self) -> int | None:
        return self.objective.null_space_dimension

    def in_double(self) -> ShardedLinearPoint | None:
        double = self.objective.in_double()
        return None if double is None else double.at(self.x.double())

    def has_minimiser(self) -> bool:
        """What does not separate the rows of one process cannot separate all."""
        f = self.objective
        return f.l2 == 0 and f.binary and self._total(lambda local: local.has_minimiser()) > 0

    def beyond_model(self, step: Tensor) -> bool:
        return self._total(lambda local: local.beyond_model(step)) > 0

    def _total(self, number: Callable[[LinearPoint], float]) -> float:
        """The sum of a number of each local point."""
        with alone():
            part = float(number(self.local))
        return self.objective.group.total(part)[0]

    def gradient_noise(self) -> float:
        length = float(torch.linalg.vector_norm(self.x, dtype=torch.float64))
        return self._total(lambda local: local.gradient_noise()) + EPS[self.x.dtype] * self.objective.l2 * length

    def rounding_gap(self) -> float:
        return self._total(lambda local: local.rounding_gap())

    def curvature_noise(self, v: Tensor) -> float:
        return self._total(lambda local: local.curvature_noise(v))

    def slope_noise(self, v: Tensor) -> float:
        noise, once = self._total(lambda local: local.slope_noise(v)), self.objective.penalised(self.x)
        return noise if once is None else noise + EPS[v.dtype] * float(torch.dot(once.abs(), v.abs()))

    def gradient_drift(self) -> float:
        if self.local.age == 0:
            return 0.0
        self.refreshed()
        return self._total(lambda local: local.gradient_drift())

    def refreshed(self) -> ShardedLinearPoint:
        return self if self.local.age == 0 else self._refreshed

    def recomputed(self) -> ShardedLinearPoint:
        return self if self.local.age == 0 else self.objective.at(self.x)

    @cached
    def _refreshed(self) -> ShardedLinearPoint:
        """As for a LinearPoint: whether the margins that were carried have drifted is decided by the sums."""
        fresh = self.objective.at(self.x)
        fresh._count_margins()
        with alone():
            drift = fresh.local.margins - self.local.margins
            change = self.local.change(drift)
        self.local.drift = drift
        self.local.__dict__["_refreshed"] = fresh.local
        first, second = self.objective.group.total(*change)
        noise = EPS[self.x.dtype] * self.float_value
        if second <= noise and abs(first) <= 4 * noise:
            return self
        fresh.__dict__.update({name: self.__dict__[name] for name in METRIC if name in self.__dict__})
        return fresh


class ShardedLinearRay(Ray):
    """The half-line with the margins of each process along it; see LinearRay."""

    point: ShardedLinearPoint

    def __init__(self, point: ShardedLinearPoint, direction: Tensor, local: LinearRay) -> None:
        super().__init__(point, direction)
        self.local = local

    def at(self, t: float) -> ShardedLinearPoint:
        with alone():
            local = self.local.at(t)
        trial = ShardedLinearPoint(self.point.objective, local.x, local, trial=True)
        trial.moves = self.local.moves
        return trial

    def third_derivative(self) -> Tensor:
        count("third_derivatives")
        return self.point._sum(lambda local: local.third_derivative(self.local.moves))

    def with_added_direction(self, step: Tensor, t: float = 1.0) -> ShardedLinearRay:
        count("margins")
        f = self.point.objective
        step = f.centred(step)
        with alone():
            moves = add_scaled(self.local.moves, f.part.margins(step), t)
        direction = torch.add(self.direction, step, alpha=t)
        return ShardedLinearRay(self.point, direction, LinearRay(self.local.point, direction, moves))

    def slope(self, trial: ShardedLinearPoint) -> float:
        _ = trial.value  # brings it
        once = trial.objective.penalised(trial.x)
        slope = float(trial.ray_slope)
        return slope if once is None else slope + float(torch.dot(once, self.direction))
