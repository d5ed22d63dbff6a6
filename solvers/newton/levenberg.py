"""Newton with Levenberg's shift, adapted by the gain ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ..common.validation import above_one, ascending, positive
from ..core.solver import DirectionalSolver, Proposal, setting
from ..line_search.backtracking import step_below_rounding, trial_step
from ..objectives.base import Point
from .adaptive_shift import increased, shifted_proposal


class Shift(NamedTuple):
    """The state: lambda, the factor of the next rejection, and f where rounding lowered lambda last."""

    size: float
    growth: float
    lowered_at: float = math.inf


@dataclass(frozen=True)
class LevenbergNewton(DirectionalSolver):
    """x+ = x + s,  s = -(H + lambda I)^-1 g, taken if f(x) - f(x + s) > eta0 * (gain the quadratic model predicts).

    The ratio of the two gains steers lambda: above eta2 it is divided by gamma_dec; below eta1, or where H + lambda I
    is not positive definite, it is multiplied by gamma_inc, and by twice as much each time in a row (Nielsen 1999). It
    starts at initial_shift times the largest diagonal entry of H. Where the gain is below rounding level because lambda
    makes the step short, it is divided by gamma_dec, too. (Nocedal & Wright, section 10.3 and the ratios of Alg. 4.1.)
    """

    initial_shift: float = setting(1e-3, positive)
    eta0: float = 1e-4
    eta1: float = 0.25
    eta2: float = 0.75
    gamma_inc: float = setting(4.0, above_one)
    gamma_dec: float = setting(10.0, above_one)

    def __post_init__(self) -> None:
        super().__post_init__()
        ascending(eta0=self.eta0, eta1=self.eta1, eta2=self.eta2)

    def init(self, point: Point) -> Shift:
        diagonal = point.hessian_diagonal
        largest = float(diagonal.max())
        if not largest > 0:
            largest = float(diagonal.abs().max())
        return Shift(self.initial_shift * (largest if 0 < largest < math.inf else 1.0), self.gamma_inc)

    def propose(self, point: Point, state: Shift) -> Proposal | None:
        return shifted_proposal(point, point.hessian, state, lambda state: state.size, increased)

    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Shift]:
        state, slope, step = proposal.state, proposal.slope, proposal.direction
        length = proposal.squared_length
        energy = state.size * (float(torch.dot(step, step)) if length is None else length)
        trial, ratio = trial_step(point, step, 0.5 * (energy - slope))  # uses (H + lambda I) s = -g
        if ratio is None:
            # Lowered after a rejection, lambda would rise again, and so on without end where f no longer falls.
            value = point.float_value
            free = state.growth == self.gamma_inc or value < state.lowered_at
            reached, short = step_below_rounding(point, trial, step, slope, energy if free else 0.0)
            return reached, Shift(state.size / self.gamma_dec, self.gamma_inc, value) if short else state
        if not ratio > self.eta0:  # NaN, too
            return point, increased(state)
        if ratio < self.eta1:
            return trial, state._replace(size=state.size * self.gamma_inc, growth=self.gamma_inc)
        size = state.size / self.gamma_dec if ratio > self.eta2 else state.size
        return trial, state._replace(size=size, growth=self.gamma_inc)
