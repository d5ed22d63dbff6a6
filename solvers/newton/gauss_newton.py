"""Gauss-Newton: the curvature of a sum of squares without that of the residuals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.solver import Proposal, newton_proposal
from ..linalg.cholesky import safe_factor
from ..line_search.search import LineSearch
from ..objectives.base import Point

NO_MATRIX = (
    "this objective has no Gauss-Newton matrix: give it as LeastSquares(residuals) or ModuleObjective(model, loss, "
    "...), or take a method that uses the Hessian, such as newton-cholesky"
)


def without_matrix(point: Point) -> str:
    """Why a method of this family cannot work on an objective; empty where it can."""
    return point.no_gauss_newton or (NO_MATRIX if point.gauss_newton is None else "")


@dataclass(frozen=True)
class GaussNewton(LineSearch):
    """x+ = x - t B^-1 g,  B = 2 J^T J for f = sum r_i^2, by scaled Cholesky, with t from backtracking.

    B is never indefinite, so the direction descends wherever B can be factored (Nocedal & Wright, section 10.3); where
    J has dependent columns it is shifted as CholeskyNewton shifts H. Its steps are Newton's where the residuals are
    small or linear, and may be poor ones where they are large and curved.
    """

    def why_unsuited(self, point: Point) -> str:
        return without_matrix(point)

    def propose(self, point: Point, state: Any) -> Proposal | None:
        found = safe_factor(point.gauss_newton)
        return newton_proposal(point, None if found is None else -found.solve(point.gradient))
