"""Trust regions: a step as long as the quadratic model has earned. The driver, whatever solves the subproblem."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.instrumentation import count, phase
from ..common.validation import positive
from ..core.eigensystem import Units, units
from ..core.solver import DirectionalSolver, Proposal
from ..line_search.backtracking import flatter
from ..objectives.base import Point
from ..objectives.rounding import resolution


class Trial(NamedTuple):
    """A step s, and what the quadratic model says of it."""

    step: Tensor  # (d,)
    slope: float  # g^T s
    length: float  # sqrt(s^T D s)
    gain: float  # -(g^T s + s^T H s / 2)
    bounded: bool  # whether the region holds it back


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
    """Whether a step whose gain cannot be seen was merely too short: f did not rise, and still falls at its end."""
    return float(reached.value) <= float(point.value) and float(torch.dot(reached.gradient, step)) < 0


@dataclass(frozen=True)
class TrustRegion(DirectionalSolver):
    """x+ = x + s if f(x) - f(x + s) > accept * gain,  s: minimise g^T s + s^T H s / 2 over ||D^1/2 s|| <= radius.

    gain is what the model promises. Below `poor` of it the radius becomes `shrink` times the length of s (after k
    rejections in a row shrink^k), above `good` `grow` times that, if s lies on the boundary (Nocedal & Wright, Alg.
    4.1). Where rounding hides the gain the slope at x + s decides, as in a line search.

    D = |diag H| where H is positive definite (Nocedal & Wright, section 4.5; elsewhere `spectrum.units`), so that
    the units of the variables do not matter, and those of the radius are the ones of sqrt f. The first radius is
    `start` times the length of the step of diagonal Newton, and 1 where the gradient is 0.
    """

    # Iterations of trust-region-exact, and its factorisations, on breast-cancer-l2, -mean10, -raw, synthetic-ill,
    # -rare, iris, Rosenbrock's function; with start 1:  8 8 10 8 9 6 23   9 11 24 22 10 9 31
    # with 3:                                            8 8  9 6 9 6 27   9  9 16 15 10 9 35
    # with 10:                                           8 8  9 5 9 6 28   9  9 12 11 10 9 36
    start: float = 10.0
    accept: float = 1e-4
    poor: float = 0.25
    good: float = 0.75
    shrink: float = 0.25
    grow: float = 2.0

    def __post_init__(self) -> None:
        for name in ("start", "accept", "poor", "good", "shrink", "grow"):
            positive(name, getattr(self, name))
        if not self.accept < self.poor < self.good < 1:
            raise ValueError(f"accept < poor < good < 1 must hold, found {self.accept}, {self.poor}, {self.good}")
        if not self.shrink < 1 < self.grow:
            raise ValueError(f"shrink < 1 < grow must hold, found {self.shrink!r} and {self.grow!r}")

    def units(self, point: Point, before: Tensor | float = 0.0) -> Units:
        """D^1/2 at a point."""
        return units(point, before)

    def trial(self, point: Point, sizes: Tensor, radius: float, first: float) -> Trial | None:
        """The (approximate) minimiser of the model in the region; None where there is none that is finite."""
        raise NotImplementedError

    def init(self, point: Point) -> Region:
        known, sizes = self.units(point)
        step = point.gradient / sizes / sizes
        return Region(self.start, step, known, length(sizes, step))

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
        with phase("line search"):
            count("line_search_trials")
            reached = point.along(trial.step).at(1.0)
            if not trial.gain > resolution(point):
                return self._unseen(point, reached, proposal)
            ratio = (float(point.value) - float(reached.value)) / trial.gain
        if not ratio > self.accept:  # NaN, too
            if torch.equal(reached.x, point.x):  # nor does any shorter step lead elsewhere
                return point, state
            rejections = state.rejections + 1
            return point, same._replace(factor=self.shrink**rejections, rejections=rejections)
        if ratio < self.poor:
            return reached, same._replace(factor=self.shrink)
        if ratio > self.good and trial.bounded:
            return reached, same._replace(factor=self.grow)
        return reached, same

    def _unseen(self, point: Point, reached: Point, proposal: Proposal) -> tuple[Point, Region]:
        """The move where rounding hides the gain: as far as the slope at its end allows it."""
        state, trial, same = proposal.state
        if flatter(point, reached, trial.step, trial.slope):
            return reached, same
        if trial.bounded and still_falling(point, reached, trial.step):
            return reached, same._replace(factor=self.grow)
        return point, state
