"""Majorisation-minimisation with a separable quadratic that lies above f everywhere, and touches it at x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ..common.instrumentation import timed
from ..core.solver import DirectionalSolver, Proposal, towards
from ..objectives.base import Point

NO_BOUND = (
    "this objective has no diagonal bound of its Hessian, as linear models do: take a method with a line search, "
    "such as newton-diagonal-damped"
)


@dataclass(frozen=True)
class DiagonalMajoriser(DirectionalSolver):
    """x+ = x - g / D, with a diagonal D and D - H positive semidefinite everywhere: f falls by g^T D^-1 g / 2 at least.

    So there is neither a search nor a setting. For linear models D_j = c sum_i |x_ij| ||x_i||_1 + l2, with c the
    largest curvature of the loss in its margin: 1/4 for a logistic loss, 1/2 for softmax. (Lange, Hunter & Yang 2000,
    J. Comput. Graph. Stat. 9, p. 1, section 3.)
    """

    needs: ClassVar[str] = "gradient"

    def why_unsuited(self, point: Point) -> str:
        return "" if hasattr(point.objective, "diagonal_curvature_bound") else NO_BOUND

    def init(self, point: Point) -> Tensor:
        """The state: diag D, (d,)."""
        diagonal = diagonal_bound(point)
        return diagonal.where(diagonal > 0, 1.0)  # 0: f is constant there, and so is its slope 0

    def propose(self, point: Point, state: Tensor) -> Proposal:
        return towards(point, -point.gradient / state, state)


@timed("hessian", "hessian_diagonals")
def diagonal_bound(point: Point) -> Tensor:
    return point.objective.diagonal_curvature_bound()
