"""Damped Newton for self-concordant functions: the step length follows from the decrement."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from ..common.instrumentation import count, timed
from ..common.validation import optional, positive
from ..core.solver import DirectionalSolver, Proposal, newton_proposal, setting
from ..line_search.backtracking import approximate_wolfe, note_failure
from ..objectives.base import Point
from ..objectives.newton_system import safe_newton_direction
from ..objectives.rounding import resolution

TRIALS = 60  # in any case, and more as long as the promised decrease is above rounding level
MOST = 2200  # doublings until M overflows, or the step underflows


class Constant(NamedTuple):
    """The state: M, or None before the first step."""

    size: float | None


@dataclass(frozen=True)
class SelfConcordantNewton(DirectionalSolver):
    """x+ = x - t H^-1 g,  t = 1 / (1 + M lambda),  lambda^2 = g^T H^-1 g.

    f falls by (M lambda - log(1 + M lambda)) / M^2 where |D^3 f[h, h, h]| <= 2 M (h^T H h)^(3/2); a standard
    self-concordant function, such as a sum of logarithms, has M = 1 (Nesterov & Nemirovskii 1994, theorem 2.2.3; Boyd &
    Vandenberghe, section 9.6). M has the units of 1 / sqrt(f): that of c f is M / sqrt(c). So for a mean over n rows it
    is sqrt(n) times that of the sum, and the plain 1 / (1 + lambda) is no safe step there. A logistic loss has no such
    M of its own; with a penalty max ||x_i|| / (2 sqrt(l2)) is one for the mean (Zhang & Xiao 2015, ICML, p. 362), most
    often far too large.

    constant: M. Where it is None M is estimated: it starts at 1 / lambda, which makes the first step one half, is
        doubled until f falls as promised, and halved for the next step. Where M is given, a step with less decrease
        than promised is not taken.
    Where H is not positive definite its shifted factor stands in, as in CholeskyNewton.
    """

    constant: float | None = setting(None, optional(positive))

    def init(self, point: Point) -> Constant:
        return Constant(self.constant)

    def propose(self, point: Point, state: Constant) -> Proposal | None:
        return newton_proposal(point, safe_newton_direction(point), state)

    @timed("line search")
    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Constant]:
        slope, state = proposal.slope, proposal.state
        if not slope < 0:
            return point, state
        decrement, ray = math.sqrt(-slope), point.along(proposal.direction)
        M = state.size or 1 / decrement
        for tried in range(1, MOST + 1):
            t, promised = damped(M, decrement)
            if tried > TRIALS and not promised > resolution(point):
                break
            count("line_search_trials")
            trial = ray.at(t)
            if promised > resolution(point):
                accepted = -math.inf < trial.float_value <= point.float_value - promised
            else:
                accepted = approximate_wolfe(point, trial, proposal.direction, slope)
            if accepted:
                return trial, state if self.constant else Constant(M / 2)
            if self.constant:
                break
            M *= 2
        note_failure(point, "the search for M", tried, t)
        return point, state


def damped(M: float, decrement: float) -> tuple[float, float]:
    """The step length, and the least decrease of f."""
    u = M * decrement if M > 0 else 0.0  # 0 times infinity
    if u < 1e-3:  # u - log(1 + u) would cancel
        return 1 / (1 + u), decrement * decrement * (0.5 - u / 3 + u * u / 4)
    square = M * M
    return 1 / (1 + u), (u - math.log1p(u)) / square if square > 0 else math.inf
