"""Trust regions: the part that does not depend on how the subproblem is solved."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.validation import above_one, ascending, fraction, positive
from ..core.eigensystem import Units, units
from ..core.solver import DirectionalSolver, Proposal, setting
from ..line_search.backtracking import approximate_wolfe, trial_step
from ..objectives.base import Point


class Trial(NamedTuple):
    """A step s, and its quadratic model."""

    step: Tensor  # (d,)
    slope: float  # g^T s
    length: float  # sqrt(s^T D s)
    gain: float  # -(g^T s + s^T H s / 2)
    bounded: bool  # whether it ends at the boundary


class Region(NamedTuple):
    """The state: the radius is `factor` times the length of the last step, in the units of the point it is used at.

    So it follows D, which may change by any factor from point to point: by 1e200 where a logistic loss leaves
    saturation.
    """

    factor: float
    step: Tensor  # (d,)
    known: Tensor | float  # of the units, (d,)
    first: float  # sqrt(g^T D^-1 g) at the start
    rejections: int = 0  # in a row


def length(sizes: Tensor, step: Tensor) -> float:
    """||D^1/2 s||, with sizes D^1/2; in double precision, for squares may leave the range of another."""
    return float(torch.linalg.vector_norm(sizes * step, dtype=torch.float64))


def still_falling(point: Point, reached: Point, step: Tensor) -> bool:
    """Whether a step whose gain is below rounding level was too short: f did not rise, and still falls at its end."""
    return reached.float_value <= point.float_value and float(torch.dot(reached.gradient, step)) < 0


@dataclass(frozen=True)
class TrustRegion(DirectionalSolver):
    """x+ = x + s if f(x) - f(x + s) > eta0 * gain,  s: minimise g^T s + s^T H s / 2 over ||D^1/2 s|| <= radius.

    gain is the decrease that the model predicts. If f falls by less than eta1 * gain, the radius becomes gamma_dec
    times the length of s (gamma_dec^k after k rejections in a row); if by more than eta2 * gain and s lies on the
    boundary, gamma_inc times that length (Nocedal & Wright, Alg. 4.1). Where the gain is below rounding level the slope
    at x + s decides, as in a line search.

    D = |diag H| where H is positive definite (Nocedal & Wright, section 4.5; elsewhere `core.eigensystem.units`), so
    that the units of the variables do not matter, and those of the radius are the ones of sqrt f. The first radius is
    initial_radius times the length of the step of diagonal Newton, and 1 where the gradient is 0.
    """

    # Iterations of trust-region-exact, and its factorisations, on breast-cancer-l2, -mean10, -raw, synthetic-ill,
    # -rare, iris, Rosenbrock's function; with radius 1: 8 8 10 8 9 6 23   9 11 24 22 10 9 31
    # with 3:                                            8 8  9 6 9 6 27   9  9 16 15 10 9 35
    # with 10:                                           8 8  9 5 9 6 28   9  9 12 11 10 9 36
    initial_radius: float = setting(10.0, positive)
    eta0: float = 1e-4
    eta1: float = 0.25
    eta2: float = 0.75
    gamma_dec: float = setting(0.25, fraction)
    gamma_inc: float = setting(2.0, above_one)

    def __post_init__(self) -> None:
        super().__post_init__()
        ascending(eta0=self.eta0, eta1=self.eta1, eta2=self.eta2)

    def units(self, point: Point, before: Tensor | float = 0.0) -> Units:
        """D^1/2 at a point."""
        return units(point, before)

    def trial(self, point: Point, sizes: Tensor, radius: float, first: float) -> Trial | None:
        """The (approximate) minimiser of the model in the region; None where there is none that is finite."""
        raise NotImplementedError

    def init(self, point: Point) -> Region:
        known, sizes = self.units(point)
        step = point.gradient / sizes / sizes
        return Region(self.initial_radius, step, known, length(sizes, step))

    def propose(self, point: Point, state: Region) -> Proposal | None:
        known, sizes = self.units(point, state.known)
        radius = state.factor * length(sizes, state.step) or 1.0
        trial = self.trial(point, sizes, radius, state.first)
        if trial is None or not (math.isfinite(trial.slope) or bool(trial.step.isfinite().all())):
            return None
        same = Region(radius / trial.length, trial.step, known, state.first) if trial.length > 0 else state
        return Proposal(trial.step, trial.slope, (state, trial, same))

    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Region]:
        state, trial, same = proposal.state
        reached, ratio = trial_step(point, trial.step, trial.gain)
        if ratio is None:
            if approximate_wolfe(point, reached, trial.step, trial.slope):
                return reached, same
            if trial.bounded and still_falling(point, reached, trial.step):
                return reached, same._replace(factor=self.gamma_inc)
            return point, state
        if not ratio > self.eta0:  # NaN, too
            if torch.equal(reached.x, point.x):  # no shorter step changes x either
                return point, state
            rejections = state.rejections + 1
            return point, same._replace(factor=self.gamma_dec**rejections, rejections=rejections)
        if ratio < self.eta1:
            return reached, same._replace(factor=self.gamma_dec)
        if ratio > self.eta2 and trial.bounded:
            return reached, same._replace(factor=self.gamma_inc)
        return reached, same
