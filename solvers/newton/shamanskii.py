"""Newton that factors the Hessian only every few steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from ..common.scalars import squared
from ..common.validation import positive, whole
from ..core.solver import Proposal, newton_proposal, setting
from ..linalg.cholesky import DualFactor, Factor, shifted_factor
from ..line_search.search import LineSearch
from ..objectives.base import Point
from ..objectives.newton_system import newton_factor


class Chord(NamedTuple):
    """A factor, the steps made with it, the last iterate, and g^T B^-1 g there."""

    factor: Factor | DualFactor | None = None
    age: int = 0
    last: Point | None = None
    energy: float = 0.0


@dataclass(frozen=True)
class ShamanskiiNewton(LineSearch):
    """x+ = x - t B^-1 g: B is the Hessian of at most `steps` steps ago; t from backtracking.

    It is recomputed after `steps` steps, where sqrt(g^T B^-1 g) did not fall below `contraction` times what it was, and
    where the search found nothing. With steps=1 this is CholeskyNewton; without a search m steps are of order m + 1.
    (Shamanskii 1967, Ukr. Math. J. 19, p. 118; Kelley 1995, Iterative Methods for Linear and Nonlinear Equations,
    section 5.4.4.) A Hessian that is not positive definite is shifted as in CholeskyNewton.
    """

    steps: int = setting(4, whole)
    contraction: float = setting(0.5, positive)

    def init(self, point: Point) -> Chord:
        return Chord()

    def propose(self, point: Point, state: Chord) -> Proposal | None:
        stuck = state.last is point
        if state.factor is not None and state.age < self.steps and not stuck:
            proposal = solved(point, state.factor, state.age + 1)
            if proposal and -proposal.slope <= squared(self.contraction) * state.energy:
                return proposal
        found = newton_factor(point)
        proposal = solved(point, shifted_factor(point.hessian) if found is None else found, 1)
        if proposal is None or not (stuck and state.age == 1):
            return proposal
        return proposal.with_state(state)  # the search along the exact direction failed: the run has stalled


def solved(point: Point, factor: Factor | DualFactor | None, age: int) -> Proposal | None:
    """The proposal to go along -B^-1 g."""
    direction: Tensor | None = None if factor is None else factor.solve(point.gradient).neg_()
    proposal = newton_proposal(point, direction)
    return None if proposal is None else proposal.with_state(Chord(factor, age, point, -proposal.slope))
