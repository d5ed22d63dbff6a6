"""Gradient descent with Armijo backtracking: the first-order method with nothing to tune."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ..common.instrumentation import booked, count
from ..common.validation import positive
from ..core.solver import DirectionalSolver, Proposal, towards
from ..line_search.backtracking import first_length, gave_up
from ..objectives.base import Point
from ..objectives.rounding import resolution

TRIALS = 100


class Rate(NamedTuple):
    """The state: the step length that is tried next, times the gradient."""

    size: float


@dataclass(frozen=True)
class ArmijoGradientDescent(DirectionalSolver):
    """x+ = x - t g, with the first t = rate, shrink rate, shrink^2 rate, ... for which f falls by sufficient t ||g||^2.

    The rate is `grow` times the last t, and `unit_rate` at the start. (Nocedal & Wright, Alg. 3.1, p. 37; Armijo 1966,
    Pacific J. Math. 16, p. 1.) Where that decrease is lost in rounding it is enough that f does not rise, and that the
    slope at the trial has not turned round by more than (1 - 2 sufficient) of it.
    """

    needs = "gradient"
    shrink: float = 0.5
    grow: float = 2.0
    sufficient: float = 1e-4  # Nocedal & Wright, p. 33

    def __post_init__(self) -> None:
        for name in ("shrink", "sufficient"):
            if positive(name, getattr(self, name)) >= 1:
                raise ValueError(f"{name} must lie between 0 and 1, found {getattr(self, name)!r}")
        if positive("grow", self.grow) < 1:
            raise ValueError(f"grow must be at least 1, found {self.grow!r}")

    def init(self, point: Point) -> Rate:
        return Rate(unit_rate(point))

    def propose(self, point: Point, state: Rate) -> Proposal:
        return towards(point, point.gradient * -state.size, state)

    @booked("line search")
    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Rate]:
        rate, slope = proposal.state.size, proposal.slope
        if not slope < 0:
            return point, proposal.state
        ray, value, noise = point.along(proposal.direction), float(point.value), resolution(point)
        t = 1.0
        for _ in range(TRIALS):
            count("line_search_trials")
            trial = ray.at(t)
            if -math.inf < float(trial.value) <= value + self.sufficient * t * slope:
                seen = -t * slope > noise
                if seen or slope <= ray.slope(trial) <= (2 * self.sufficient - 1) * slope:
                    return trial, Rate(min(t * rate * self.grow, 1 / torch.finfo(point.x.dtype).tiny))
            t *= self.shrink
        gave_up(point, "backtracking", TRIALS, t / self.shrink)
        return point, proposal.state


def unit_rate(point: Point) -> float:
    """The rate whose first step has length 1, or `first_length` where f cannot tell that or leaps."""
    norm = float(torch.linalg.vector_norm(point.gradient))
    return first_length(point, norm) / norm if 0 < norm < math.inf else 1.0
