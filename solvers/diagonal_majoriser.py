"""Minimise a separable function that lies above f everywhere, and touches it here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

from .base import DirectionalSolver, Proposal, towards
from .objectives.base import Point
from .phases import booked


class Majoriser(NamedTuple):
    """diag D, or None where the objective knows none; then `note` says so."""

    diagonal: Tensor | None  # (d,)
    note: str = ""


@dataclass(frozen=True)
class DiagonalMajoriser(DirectionalSolver):
    """x+ = x - g / D, with a diagonal D and D - H positive semidefinite everywhere: f falls by g^T D^-1 g / 2 at least.

    So there is no search and nothing to tune. For linear models D_j = c sum_i |x_ij| ||x_i||_1 + l2, with c the largest
    curvature of the loss in its margin: 1/4 for a logistic loss, 1/2 for softmax. (Lange, Hunter & Yang 2000, J.
    Comput. Graph. Stat. 9, p. 1, section 3.) For an objective that knows no such D the run ends as singular at its
    start, and the message says why.
    """

    needs: ClassVar[str] = "gradient"

    def init(self, point: Point) -> Majoriser:
        diagonal = diagonal_bound(point)
        if diagonal is None:
            return Majoriser(None, "the objective knows no diagonal bound of its Hessian")
        return Majoriser(diagonal.where(diagonal > 0, 1.0))  # 0: f is constant there, and so is its slope 0

    def propose(self, point: Point, state: Majoriser) -> Proposal | None:
        return None if state.diagonal is None else towards(point, -point.gradient / state.diagonal, state)


@booked("hessian", "hessian_diagonals")
def diagonal_bound(point: Point) -> Tensor | None:
    """The objective's, (d,); a user's own objective need not have the method."""
    known: Any = getattr(point.objective, "diagonal_curvature_bound", None)
    return known() if known else None
