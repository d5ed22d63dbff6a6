"""Gradient descent with Armijo backtracking: a first-order method without a step length to tune."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ..common.instrumentation import timed
from ..common.validation import at_least_one, fraction
from ..core.solver import DirectionalSolver, Proposal, setting, towards
from ..line_search.backtracking import first_below, first_length
from ..objectives.base import Point
from ..objectives.rounding import resolution


class Rate(NamedTuple):
    """The state: the step length that is tried next, times the gradient."""

    size: float


@dataclass(frozen=True)
class ArmijoGradientDescent(DirectionalSolver):
    """x+ = x - t g, with the first t = rate, shrink rate, shrink^2 rate, ... for which f falls by sufficient t ||g||^2.

    The rate is `grow` times the last t, and `unit_rate` at the start. (Nocedal & Wright, Alg. 3.1, p. 37; Armijo 1966,
    Pacific J. Math. 16, p. 1.) Where that decrease is below rounding level, f must not rise, and the slope at the trial
    must be at most (1 - 2 sufficient) times the first one, with the opposite sign.
    """

    needs = "gradient"
    shrink: float = setting(0.5, fraction)
    grow: float = setting(2.0, at_least_one)
    sufficient: float = setting(1e-4, fraction)  # Nocedal & Wright, p. 33

    def init(self, point: Point) -> Rate:
        return Rate(unit_rate(point))

    def propose(self, point: Point, state: Rate) -> Proposal:
        return towards(point, point.gradient * -state.size, state)

    @timed("line search")
    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Rate]:
        rate, slope = proposal.state.size, proposal.slope
        if not slope < 0:
            return point, proposal.state
        ray, value, noise = point.along(proposal.direction), point.float_value, resolution(point)

        def enough(t: float, trial: Point) -> bool:
            return -t * slope > noise or slope <= ray.slope(trial) <= (2 * self.sufficient - 1) * slope

        found = first_below(ray, slope, self.shrink, value, self.sufficient, enough)
        if found is None:
            return point, proposal.state
        t, moved, _ = found
        return moved, Rate(min(t * rate * self.grow, 1 / torch.finfo(point.x.dtype).tiny))


def unit_rate(point: Point) -> float:
    """The rate whose first step has the length `first_length`."""
    norm = float(torch.linalg.vector_norm(point.gradient))
    return first_length(point, norm) / norm if 0 < norm < math.inf else 1.0
