"""Newton whose factor serves several steps: it preconditions the systems of those that follow."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from ..common.instrumentation import phase
from ..common.scalars import squared
from ..common.validation import EPS, fraction
from ..core.conjugate_gradients import conjugate_gradients, gradient_norm
from ..core.solver import Proposal, newton_proposal, setting
from ..linalg.cholesky import DualFactor, Factor
from ..line_search.search import LineSearch
from ..objectives.base import Point
from ..objectives.newton_system import newton_factor
from .chebyshev import ChebyshevNewton

# By what the products of a system may exceed those of the last. On w8a they were 1, 2, 6, 16, 33 without a new factor.
GROWTH = 2.5


class Metric(NamedTuple):
    """The last factor, the norm of the gradient at the start in that of the first, and what the last step was."""

    factor: Factor | DualFactor
    start: float
    products: int = 0  # of its system; 0: that was solved exactly
    last: Point | None = None


@dataclass(frozen=True)
class ReusedFactorNewton(ChebyshevNewton):
    """x+ = x + t s,  H s = -g by conjugate gradients preconditioned by the last factor, until ||H s + g|| <= eta ||g||.

    The norm is that of the inverse of that factor, eta = min(forcing, ||g|| / ||g at the start||). A system may take no
    more products with H than a Hessian costs gradients; where it took more, or is expected to, or the search failed,
    the Hessian is factored anew, and the step is ChebyshevNewton's. So is the first. (Nocedal & Wright, section 7.1;
    an old Hessian as the metric: Kelley 1995, Iterative Methods for Linear and Nonlinear Equations, section 5.4.)
    """

    forcing: float = setting(0.5, fraction)

    def propose(self, point: Point, state: Metric | None) -> Proposal | None:
        failed = state is not None and state.last is point
        if state and not failed and (proposal := self.truncated(point, state)):
            return proposal
        proposal, factor = super().propose(point, None), newton_factor(point)
        if proposal is None or factor is None:
            return proposal
        if failed and state.products == 0:  # the search along the exact direction failed: the run has stalled
            return proposal.with_state(state)
        start = state.start if state else gradient_norm(point, factor.solve)
        return proposal.with_state(Metric(factor, start, last=point))

    def truncated(self, point: Point, state: Metric) -> Proposal | None:
        """The inexact Newton step, or None where a new factor is cheaper."""
        most = getattr(point.objective, "hessian_price", 0.0)
        if GROWTH * state.products > most:
            return None
        with phase("solve"):
            norm = gradient_norm(point, state.factor.solve)
            eta = min(self.forcing, norm / state.start) if state.start > 0 else self.forcing
            steps = conjugate_gradients(point, EPS[point.x.dtype], state.factor.solve)
            for products, step in enumerate(islice(steps, int(most)), 1):
                if not step.positive:
                    break
                if step.residual <= squared(eta * norm):
                    return newton_proposal(point, step.solution, state._replace(products=products, last=point))
        return None

    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Any]:
        exact = proposal.state is None or proposal.state.products == 0
        return super().move(point, proposal) if exact else LineSearch.move(self, point, proposal)
