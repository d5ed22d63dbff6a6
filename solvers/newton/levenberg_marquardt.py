"""Levenberg-Marquardt: Gauss-Newton with a shift in the units of the variables, adapted by how well it predicts."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.instrumentation import count, phase
from ..common.validation import positive
from ..core.solver import DirectionalSolver, Proposal, newton_proposal
from ..linalg.cholesky import factor
from ..line_search.backtracking import unseen_step
from ..objectives.base import Point
from ..objectives.rounding import resolution
from .gauss_newton import without_matrix

RISE = 2.0  # Nielsen 1999: the first rejection doubles lambda, the next one multiplies it by 4, then 8


class Damping(NamedTuple):
    """The state: lambda, the factor by which the next rejection raises it, and the units D of the variables, (d,)."""

    size: float
    rise: float
    units: Tensor


@dataclass(frozen=True)
class LevenbergMarquardt(DirectionalSolver):
    """x+ = x + s,  s = -(B + lambda D)^-1 g, taken if f(x) - f(x + s) > accept * (gain the model predicts).

    B is the Gauss-Newton matrix (2 J^T J for a sum of squares) and D its diagonal, the largest entries so far, so that
    the units of the variables do not matter (Marquardt 1963, SIAM J. 11, p. 431; More 1978, Numerical Analysis, LNM
    630, p. 105; Nocedal & Wright, section 10.3). With q the ratio of the two gains, a step that is taken multiplies
    lambda by max(1/3, 1 - (2 q - 1)^3), one that is not by 2, 4, 8, ... (Nielsen 1999, IMM-REP-1999-05, eq. 2.4).
    It starts at `start`.
    """

    start: float = 1e-3
    accept: float = 1e-4

    def __post_init__(self) -> None:
        positive("start", self.start)
        if positive("accept", self.accept) >= 1:
            raise ValueError(f"accept must lie between 0 and 1, found {self.accept!r}")

    def unsuited(self, point: Point) -> str:
        return without_matrix(point)

    def init(self, point: Point) -> Damping:
        return Damping(self.start, RISE, torch.zeros_like(point.x))

    def propose(self, point: Point, state: Damping) -> Proposal | None:
        matrix = point.gauss_newton
        diagonal = matrix.diagonal()
        units = torch.maximum(state.units, diagonal)
        if not bool((units > 0).all()):  # a variable that has moved nothing yet keeps its own unit
            units = units.where(units > 0, 1.0)
        state = state._replace(units=units)
        while math.isfinite(state.size) and bool(matrix.isfinite().all()):
            shifted = matrix.clone()
            shifted.diagonal().add_(state.size * units)
            if (found := factor(shifted)) is not None:
                return newton_proposal(point, -found.solve(point.gradient), state)
            count("shifted")
            state = self._raised(state)
        return None

    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Damping]:
        state, slope, step = proposal.state, proposal.slope, proposal.direction
        with phase("line search"):
            count("line_search_trials")
            trial = point.along(step).at(1.0)
            # Half of -g^T s + lambda s^T D s, for (B + lambda D) s = -g.
            held = state.size * float(torch.dot(step, state.units * step))
            predicted = 0.5 * (held - slope)
            if not predicted > resolution(point):
                reached, short = unseen_step(point, trial, step, slope, held if state.rise == RISE else 0.0)
                return reached, state._replace(size=state.size * eased(1.0), rise=RISE) if short else state
            ratio = (float(point.value) - float(trial.value)) / predicted
        if not ratio > self.accept:  # NaN, too
            return point, self._raised(state)
        return trial, state._replace(size=state.size * eased(ratio), rise=RISE)

    def _raised(self, state: Damping) -> Damping:
        size = max(state.size, sys.float_info.min)  # zero, after hundreds of good steps, could not be raised
        return state._replace(size=size * state.rise, rise=2 * state.rise)


def eased(ratio: float) -> float:
    """max(1/3, 1 - (2 q - 1)^3), what lambda is multiplied by after a step that gained q times what was predicted."""
    return max(1 / 3, 1 - (2 * min(ratio, 1.0) - 1) ** 3)
