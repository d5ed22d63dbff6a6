"""Newton with the diagonal of the Hessian alone: the textbook step, and one with a line search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ..common.validation import non_negative, positive
from ..core.solver import DirectionalSolver, Proposal, setting, towards
from ..line_search.search import LineSearch
from ..objectives.base import Point


@dataclass(frozen=True)
class DiagonalNewton(DirectionalSolver):
    """x+ = x - learning_rate g / (diag H + eps).

    On a quadratic it converges only if learning_rate lambda_max(D^-1 H) < 2; that is not checked.
    """

    needs = "hessian_diagonal"
    learning_rate: float = setting(1.0, positive)
    eps: float = setting(1e-8, non_negative)

    def propose(self, point: Point, state: Any) -> Proposal:
        return towards(point, point.gradient / (point.hessian_diagonal + self.eps) * -self.learning_rate)


@dataclass(frozen=True)
class DampedDiagonalNewton(LineSearch):
    """x+ = x - t g / max(|diag H|, floor max|diag H|), with t from backtracking.

    The absolute value and the floor keep every denominator positive, so the direction always descends: also where
    a diagonal entry is zero or negative. Where all of them are zero the denominators are 1.
    """

    needs = "hessian_diagonal"
    floor: float = setting(1e-12, positive)

    def propose(self, point: Point, state: Any) -> Proposal:
        sizes = point.hessian_diagonal.abs()
        sizes = torch.maximum(sizes, sizes.max() * self.floor)
        return towards(point, -point.gradient / sizes.where(sizes > 0, 1.0))
