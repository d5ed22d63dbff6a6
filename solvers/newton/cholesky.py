"""Newton by Cholesky with a line search: the method to start from on a convex problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.solver import Proposal, newton_proposal, setting
from ..linalg.coarse_gram import PRECISIONS
from ..line_search.search import LineSearch
from ..objectives.base import Point
from ..objectives.newton_system import coarse_newton_direction, safe_newton_direction

FULL = "full"


def precision(name: str, value: Any) -> str:
    """`full` or a name of PRECISIONS; ValueError otherwise."""
    if value != FULL and value not in PRECISIONS:
        raise ValueError(f"{name} must be one of {', '.join((FULL, *PRECISIONS))}, found {value!r}")
    return value


@dataclass(frozen=True)
class CholeskyNewton(LineSearch):
    """x+ = x - t H^-1 g, by Cholesky of the diagonally scaled Hessian, with t from backtracking.

    Only where that factorisation fails is H replaced by H + shift |diag H|, with the smallest shift out of
    4 (d + 1) eps, 10 times that, ... that can be factored (Nocedal & Wright, Alg. 3.3).

    hessian_precision: of the products that H is assembled from, for logistic regression with dense X: `full`,
        `float32`, `tf32` (on a GPU) or `bfloat16`. f, its gradient and the test of convergence stay in that of X.
    """

    hessian_precision: str = setting(FULL, precision)

    def propose(self, point: Point, state: Any) -> Proposal | None:
        if self.hessian_precision == FULL:
            return newton_proposal(point, safe_newton_direction(point))
        return newton_proposal(point, coarse_newton_direction(point, self.hessian_precision))
