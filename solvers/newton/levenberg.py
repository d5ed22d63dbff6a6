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
from .adaptive_shift import raised, shifted_proposal


class Shift(NamedTuple):
    """The state: lambda, the factor by which the next rejection raises it, and f where rounding lowered lambda last."""

    size: float
    rise: float
    lowered_at: float = math.inf


@dataclass(frozen=True)
class LevenbergNewton(DirectionalSolver):
    """x+ = x + s,  s = -(H + lambda I)^-1 g, taken if f(x) - f(x + s) > accept * (gain the quadratic model predicts).

    The ratio of the two gains steers lambda: above `good` it is divided by `fall`; below `poor`, or where H + lambda I
    is not positive definite, it is multiplied by `rise`, and by twice as much each time in a row (Nielsen 1999). It
    starts at `start` times the largest diagonal entry of H. Where the gain is below rounding level because lambda makes
    the step short, it is divided by `fall`, too. (Nocedal & Wright, section 10.3 and the ratios of Alg. 4.1.)
    """

    start: float = setting(1e-3, positive)
    accept: float = 1e-4
    poor: float = 0.25
    good: float = 0.75
    rise: float = setting(4.0, above_one)
    fall: float = setting(10.0, above_one)

    def __post_init__(self) -> None:
        super().__post_init__()
        ascending(accept=self.accept, poor=self.poor, good=self.good)

    def init(self, point: Point) -> Shift:
        diagonal = point.hessian_diagonal
        largest = float(diagonal.max())
        if not largest > 0:
            largest = float(diagonal.abs().max())
        return Shift(self.start * largest if 0 < largest < math.inf else self.start, self.rise)

    def propose(self, point: Point, state: Shift) -> Proposal | None:
        return shifted_proposal(point, point.hessian, state, lambda state: state.size, raised)

    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Shift]:
        state, slope, step = proposal.state, proposal.slope, proposal.direction
        energy = state.size * float(torch.dot(step, step))
        trial, ratio = trial_step(point, step, 0.5 * (energy - slope))  # uses (H + lambda I) s = -g
        if ratio is None:
            # Lowered after a rejection, lambda would rise again, and so on without end where f no longer falls.
            value = point.float_value
            free = state.rise == self.rise or value < state.lowered_at
            reached, short = step_below_rounding(point, trial, step, slope, energy if free else 0.0)
            return reached, Shift(state.size / self.fall, self.rise, value) if short else state
        if not ratio > self.accept:  # NaN, too
            return point, raised(state)
        if ratio < self.poor:
            return trial, state._replace(size=state.size * self.rise, rise=self.rise)
        size = state.size / self.fall if ratio > self.good else state.size
        return trial, state._replace(size=size, rise=self.rise)
