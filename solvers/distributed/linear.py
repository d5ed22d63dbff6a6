"""Linear models whose rows lie in several processes."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from ..common.cached import cached
from ..common.validation import EPS
from ..linalg.exact_rank import combined_residues, modulo, rank_of_residues
from ..linalg.kernels import is_sparse, stored_entries, weighted_square_sums
from ..objectives.base import NewtonDirection
from ..objectives.linear.model import DOUBLED, MOST_RANKED, LinearModel
from ..objectives.linear.separation import STRICTLY, WEAKLY
from ..objectives.linear.softmax import SoftmaxRegression
from . import separation
from .linear_point import ShardedLinearPoint
from .sharded import ShardedObjective


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
        stored = stored_entries(X)
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
        noise = EPS[point.x.dtype]
        return self.l2 == 0 and separation.separates(point, newton_direction(), size=0.5, slack=0.05, noise=noise)
