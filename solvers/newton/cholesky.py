"""Newton by Cholesky with a line search: the method to start from on a convex problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.solver import Proposal, newton_proposal
from ..line_search.search import LineSearch
from ..objectives.base import Point
from ..objectives.newton_system import safe_newton_direction


@dataclass(frozen=True)
class CholeskyNewton(LineSearch):
    """x+ = x - t H^-1 g, by Cholesky of the diagonally scaled Hessian, with t from backtracking.

    Only where that factorisation fails is H replaced by H + shift |diag H|, with the smallest shift out of
    4 (d + 1) eps, 10 times that, ... that can be factored (Nocedal & Wright, Alg. 3.3).
    """

    def propose(self, point: Point, state: Any) -> Proposal | None:
        return newton_proposal(point, safe_newton_direction(point))
