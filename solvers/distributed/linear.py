"""Linear models whose rows lie in several processes."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..common.cached import cached
from ..common.instrumentation import count
from ..common.scalars import add_scaled
from ..common.validation import EPS
from ..linalg.exact_rank import combined_residues, modulo, rank_of_residues
from ..linalg.kernels import is_sparse, weighted_square_sums
from ..linalg.kronecker import KroneckerFactors
from ..objectives.base import NewtonDirection, Ray
from ..objectives.linear.margins import METRIC, LinearPoint, LinearRay
from ..objectives.linear.model import DOUBLED, MOST_RANKED, LinearModel
from ..objectives.linear.separation import STRICTLY, WEAKLY
from ..objectives.linear.softmax import SoftmaxRegression
from . import separation
from .sharded import ShardedObjective, ShardedPoint, alone


class ShardedLinearModel(ShardedObjective, of=LinearModel):
    """LogisticRegression or SoftmaxRegression over the rows of all processes: see ShardedObjective.

    n: the rows of all; `local` has this process's, and may lack a class. part: the same without the penalty, and with
    the reduction over all rows, so that its values add up.
    """

    convex = True

    def __init__(self, local: LinearModel, group: Any = None, *, checked: bool = False) -> None:
        super().__init__(local, group, checked=checked)
        if isinstance(local, SoftmaxRegression):
            self.classes = int(self.group.largest(local.classes)[0])
            if local.classes != self.classes:
                local = SoftmaxRegression(
                    local.X, local.y, self.classes, local.l2, local.fit_intercept, local.reduction
                )
        self.local, X = local, local.X
        for name in ("size", "l2", "fit_intercept", "reduction"):
            self.agree(name, getattr(local, name))
            setattr(self, name, getattr(local, name))
        self.agree("dtypes", str(X.dtype))
        binary = getattr(local, "binary", True)
        stored = (X.values() if is_sparse(X) else X).numel()
        double = not is_sparse(X) and X.numel() <= DOUBLED and X.device.type != "mps"
        rows, stored, work, mixed, coarse = self.group.total(
            len(X), stored, local.hessian_price * stored, not binary, not double
        )
        self.n, self.binary, self.has_double = int(rows), mixed == 0, coarse == 0
        self.strong_convexity = 0.0 if self.fit_intercept else self.l2
        self.hessian_price = work / max(stored, 1)  # a mean: every process must choose the same method by it
        self.scale = 1 / self.n if self.reduction == "mean" else 1.0
        self.part = copy.copy(local)
        self.part.forget()
        self.part.l2, self.part.strong_convexity, self.part.scale = 0.0, 0.0, self.scale
        self.part.columns = None  # compiled points compute what is of no use for a part

    def zeros(self) -> Tensor:
        return self.local.zeros()

    def at(self, x: Tensor) -> ShardedLinearPoint:
        return ShardedLinearPoint(self, x, self.part.at(x))

    def forget(self) -> None:
        super().forget()
        self.part.forget()

    def centred(self, direction: Tensor) -> Tensor:
        return self.local.centred(direction)

    def tidied(self, gradient: Tensor) -> Tensor:
        return self.part.centred(gradient)  # of softmax: without a penalty it adds up to 0 over the classes

    def rows(self, w: Tensor) -> Tensor:
        """w as (K, d [+ 1]), for softmax."""
        return self.local.rows(w)

    def penalised(self, x: Tensor) -> Tensor | None:
        return self.local.penalised(x).flatten() if self.l2 > 0 else None

    @cached
    def penalties(self) -> Tensor:
        """The diagonal of the penalty's Hessian, (size,)."""
        with torch.inference_mode(False):
            return self.local.penalties

    def accuracy(self, w: Tensor) -> float:
        """Share of the rows of all processes."""
        n = len(self.local.X)
        return self.group.total(self.local.accuracy(w) * n)[0] / self.n

    def in_double(self) -> ShardedLinearModel | None:
        """The same in float64; None where that is too large for one of the processes."""
        return self._double if self.has_double else None

    @cached
    def _double(self) -> ShardedLinearModel:
        with torch.inference_mode(False):
            return ShardedLinearModel(self.local.over(self.local.X.double()), self.group)

    @cached
    def column_lengths(self) -> Tensor:
        """||x_j||, (d [+ 1],), of the columns over all rows."""
        X = self.part.X
        ones = torch.ones(len(X), dtype=X.dtype, device=X.device)
        squares = weighted_square_sums(X, ones, self.part.squares)
        lengths = self.group.sum(squares)[0].sqrt()
        return torch.cat([lengths, lengths.new_full((1,), math.sqrt(self.n))]) if self.fit_intercept else lengths

    @cached
    def second_moments(self) -> Tensor:
        return self.group.sum(self.part.second_moments * (len(self.part.X) / self.n))[0]

    def curvature_bound(self) -> Tensor:
        return self.group.sum(self.part.curvature_bound())[0] + self.penalties.diag()

    def diagonal_curvature_bound(self) -> Tensor:
        return self.group.sum(self.part.diagonal_curvature_bound())[0] + self.penalties

    @cached
    def nullity(self) -> int | None:
        """As for a LinearModel, over all rows."""
        X, columns = self.part.X, self.part.X.shape[1] + self.fit_intercept
        if columns > MOST_RANKED:
            return None
        with torch.inference_mode(False):
            combinations = min(self.n, columns) + 2
            combined = combined_residues(X, self.fit_intercept, combinations, seed=self.group.rank)
            return columns - rank_of_residues(modulo(self.group.sum(combined)[0]))

    @property
    def null_space_dimension(self) -> int | None:
        self.part.nullity = self.nullity  # of all rows, in the place of its own
        return self.part.null_space_dimension

    @cached
    def missing_class(self) -> str:
        """Why a free intercept has no minimum, as far as the labels alone say so; empty where they do not."""
        y = self.part.y
        if isinstance(self.part, SoftmaxRegression):
            counts = self.group.sum(torch.bincount(y, minlength=self.classes))[0]
            absent = (counts == 0).nonzero()
            return f"no row is of class {int(absent[0])}, and the intercepts are not penalised" if len(absent) else ""
        high, low = self.group.largest(float(y.max()), -float(y.min()))
        one = self.binary and high == -low
        return "all labels are of one class, and the intercept is not penalised" if one else ""

    def no_minimiser(self, point: ShardedLinearPoint, newton_direction: NewtonDirection | None = None) -> str | None:
        """The proofs of the local models, over the rows of all processes."""
        if self.fit_intercept and self.missing_class:
            return self.missing_class
        if self.l2 > 0:
            return None
        most = math.log(getattr(self, "classes", 2)) * self.scale * self.n * 1.0001
        separable = self.binary and point.float_value <= most and point.unseparated == 0
        if separable and separation.strictly_separated(point):
            return STRICTLY
        along = newton_direction() if newton_direction else None
        if separation.separates(point, along, size=1e-3, slack=1e-6):
            if separation.may_weakly_separate(point, along, 1e-6):
                return WEAKLY
        return None

    def escaping(self, point: ShardedLinearPoint, newton_direction: NewtonDirection) -> bool:
        return self.l2 == 0 and separation.separates(point, newton_direction(), size=0.5, slack=0.05)


class ShardedLinearPoint(ShardedPoint):
    """f near w, each process with the margins of its rows.

    Every bound on a rounding error is the sum of those of the local points, which are sums over rows.
    """

    objective: ShardedLinearModel
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
