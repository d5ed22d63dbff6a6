"""Newton with Levenberg's shift, adapted by how well the quadratic model predicts."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ..common.instrumentation import count, phase
from ..common.validation import positive
from ..core.solver import DirectionalSolver, Proposal, newton_proposal
from ..linalg.cholesky import factor
from ..line_search.backtracking import unseen_step
from ..objectives.base import Point
from ..objectives.rounding import resolution


class Shift(NamedTuple):
    """The state: lambda, the factor by which the next rejection raises it, and f where it was lowered blindly."""

    size: float
    rise: float
    unseen: float = math.inf


@dataclass(frozen=True)
class LevenbergNewton(DirectionalSolver):
    """x+ = x + s,  s = -(H + lambda I)^-1 g, taken if f(x) - f(x + s) > accept * (gain the quadratic model predicts).

    The ratio of the two gains steers lambda: above `good` it is divided by `fall`; below `poor`, or where H + lambda I
    is not positive definite, it is multiplied by `rise`, and by twice as much each time in a row (Nielsen 1999). It
    starts at `start` times the largest diagonal entry of H. Where rounding hides the gain because lambda makes the
    step short, it is divided by `fall`, too. (Nocedal & Wright, section 10.3 and the ratios of Alg. 4.1.)
    """

    start: float = 1e-3
    accept: float = 1e-4
    poor: float = 0.25
    good: float = 0.75
    rise: float = 4.0
    fall: float = 10.0

    def __post_init__(self) -> None:
        for name in ("start", "accept", "poor", "good", "rise", "fall"):
            positive(name, getattr(self, name))
        if not self.accept < self.poor < self.good < 1:
            raise ValueError(f"accept < poor < good < 1 must hold, found {self.accept}, {self.poor}, {self.good}")
        if min(self.rise, self.fall) <= 1:
            raise ValueError(f"rise and fall must be greater than 1, found {self.rise!r} and {self.fall!r}")

    def init(self, point: Point) -> Shift:
        diagonal = point.hessian_diagonal
        largest = float(diagonal.max())
        if not largest > 0:
            largest = float(diagonal.abs().max())
        return Shift(self.start * largest if 0 < largest < math.inf else self.start, self.rise)

    def propose(self, point: Point, state: Shift) -> Proposal | None:
        hessian = point.hessian
        while math.isfinite(state.size):
            shifted = hessian.clone()
            shifted.diagonal().add_(state.size)
            if (found := factor(shifted)) is not None:
                return newton_proposal(point, -found.solve(point.gradient), state)
            if not bool(hessian.isfinite().all()):
                return None
            count("shifted")
            state = self._raised(state)
        return None

    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Shift]:
        state, slope, step = proposal.state, proposal.slope, proposal.direction
        with phase("line search"):
            count("line_search_trials")
            trial = point.along(step).at(1.0)
            held = state.size * float(torch.dot(step, step))
            predicted = 0.5 * (held - slope)  # uses (H + lambda I) s = -g
            if not predicted > resolution(point):
                # Lowered after a rejection, lambda would rise again, and so for ever where f falls no more.
                value = float(point.value)
                free = state.rise == self.rise or value < state.unseen
                reached, short = unseen_step(point, trial, step, slope, held if free else 0.0)
                return reached, Shift(state.size / self.fall, self.rise, value) if short else state
            ratio = (float(point.value) - float(trial.value)) / predicted
        if not ratio > self.accept:  # NaN, too
            return point, self._raised(state)
        if ratio < self.poor:
            return trial, state._replace(size=state.size * self.rise, rise=self.rise)
        size = state.size / self.fall if ratio > self.good else state.size
        return trial, state._replace(size=size, rise=self.rise)

    def _raised(self, state: Shift) -> Shift:
        size = max(state.size, sys.float_info.min)  # zero, after hundreds of good steps, could not be raised
        return state._replace(size=size * state.rise, rise=2 * state.rise)
