"""Newton with a fixed matrix in place of the Hessian: one factorisation, and then gradients only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from ..core.solver import Proposal, newton_proposal
from ..linalg.cholesky import Factor, safe_factor
from ..line_search.search import LineSearch
from ..objectives.base import Point


class Metric(NamedTuple):
    """The factor of B, or None, and what B is."""

    factor: Factor | None
    note: str


@dataclass(frozen=True)
class FixedHessianNewton(LineSearch):
    """x+ = x - t B^-1 g, with B - H positive semidefinite everywhere; t from backtracking.

    With such a B the whole step lowers f by g^T B^-1 g / 2 at least, so the search always takes it, and f - f* falls
    linearly. Logistic regression has X^T X / 4 (Boehning & Lindsay 1988, Ann. Inst. Stat. Math. 40, p. 641), softmax
    regression (I - 1 1^T / K) / 2 in place of 1/4 (Boehning 1992, the same 44, p. 197). Where the objective
    has no such bound, B is the Hessian at the start (the chord method; Ortega & Rheinboldt 1970, section 7.1), and the
    search is needed: Result.message says which. A B that is not positive definite is shifted as in CholeskyNewton.
    """

    def init(self, point: Point) -> Metric:
        bound = curvature_bound(point)
        if bound is None:
            return Metric(safe_factor(point.hessian), "the objective has no bound: B is the Hessian at the start")
        return Metric(safe_factor(bound), "B bounds the Hessian everywhere")

    def propose(self, point: Point, state: Metric) -> Proposal | None:
        if state.factor is None:
            return None
        return newton_proposal(point, -state.factor.solve(point.gradient), state)


def curvature_bound(point: Point) -> Tensor | None:
    """That of the objective, (d, d); a user's own objective need not have the method."""
    known: Any = getattr(point.objective, "curvature_bound", None)
    return known() if known else None
