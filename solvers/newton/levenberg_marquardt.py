"""Levenberg-Marquardt: Gauss-Newton with a shift in the units of the variables, adapted by the gain ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.validation import fraction, positive
from ..core.solver import DirectionalSolver, Proposal, setting
from ..line_search.backtracking import step_below_rounding, trial_step
from ..objectives.base import Point
from .adaptive_shift import GROWTH, increased, nielsen, shifted_proposal
from .gauss_newton import without_matrix


class Damping(NamedTuple):
    """The state: lambda, the factor of the next rejection, and the units D of the variables, (d,)."""

    size: float
    growth: float
    units: Tensor


@dataclass(frozen=True)
class LevenbergMarquardt(DirectionalSolver):
    """x+ = x + s,  s = -(B + lambda D)^-1 g, taken if f(x) - f(x + s) > eta0 * (gain the model predicts).

    B is the Gauss-Newton matrix (2 J^T J for a sum of squares) and D its diagonal, the largest entries so far, so that
    the units of the variables do not matter (Marquardt 1963, SIAM J. 11, p. 431; More 1978, Numerical Analysis, LNM
    630, p. 105; Nocedal & Wright, section 10.3). With q the ratio of the two gains, a step that is taken multiplies
    lambda by max(1/3, 1 - (2 q - 1)^3), one that is not by 2, 4, 8, ... (Nielsen 1999, IMM-REP-1999-05, eq. 2.4).
    It starts at initial_shift.
    """

    initial_shift: float = setting(1e-3, positive)
    eta0: float = setting(1e-4, fraction)

    def why_unsuited(self, point: Point) -> str:
        return without_matrix(point)

    def init(self, point: Point) -> Damping:
        return Damping(self.initial_shift, GROWTH, torch.zeros_like(point.x))

    def propose(self, point: Point, state: Damping) -> Proposal | None:
        matrix = point.gauss_newton
        diagonal = matrix.diagonal()
        units = torch.maximum(state.units, diagonal)
        if not bool((units > 0).all()):  # a variable without curvature so far has the unit 1
            units = units.where(units > 0, 1.0)
        state = state._replace(units=units)
        if not bool(matrix.isfinite().all()):
            return None
        return shifted_proposal(point, matrix, state, lambda state: state.size * units, increased)

    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Damping]:
        state, slope, step = proposal.state, proposal.slope, proposal.direction
        energy = state.size * float(torch.dot(step, state.units * step))
        trial, ratio = trial_step(point, step, 0.5 * (energy - slope))  # uses (B + lambda D) s = -g
        if ratio is None:
            reached, short = step_below_rounding(point, trial, step, slope, energy if state.growth == GROWTH else 0.0)
            return reached, state._replace(size=state.size * nielsen(1.0), growth=GROWTH) if short else state
        if not ratio > self.eta0:  # NaN, too
            return point, increased(state)
        return trial, state._replace(size=state.size * nielsen(ratio), growth=GROWTH)
