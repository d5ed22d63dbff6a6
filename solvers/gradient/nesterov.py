"""Nesterov's accelerated gradient: momentum, a step length it finds itself, and a fresh start when it overshoots."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ..common.instrumentation import booked, count
from ..common.validation import positive
from ..core.solver import DirectionalSolver, Proposal, towards
from ..line_search.backtracking import gave_up
from ..objectives.base import Point
from ..objectives.rounding import resolution
from .armijo import unit_rate

TRIALS = 100
ROOM = 0.95  # of rate ||g||^2: a decrease so large says that the curvature along g is a tenth of L


class Momentum(NamedTuple):
    """The rate 1 / L, the last theta, and the last x, from which y was extrapolated."""

    rate: float
    theta: float = 1.0
    last: torch.Tensor | None = None  # (d,)


@dataclass(frozen=True)
class Nesterov(DirectionalSolver):
    """x+ = y - g(y) / L,  y+ = x+ + (theta - 1) / theta+ (x+ - x),  theta+ = (1 + sqrt(1 + 4 theta^2 L+ / L)) / 2.

    The iterates are the points y, where gradients are known: one gradient a step. 1 / L starts at `unit_rate`. It is
    multiplied by `shrink` until f(x+) <= f(y) - ||g(y)||^2 / (2 L), to rounding, and for the next step by `grow` where
    f fell by nearly twice that. Where g(y)^T (x+ - x) > 0 the momentum points uphill: theta is 1 again, and y+ = x+; so
    too where f is not finite at y+. f may rise from one iterate to the next.

    Nesterov 1983, Soviet Math. Dokl. 27, p. 372; Beck & Teboulle 2009, SIAM J. Imaging Sci. 2, p. 183, for the
    backtracking; Scheinberg, Goldfarb & Bai 2014, Found. Comput. Math. 14, p. 389, for theta where L falls; O'Donoghue
    & Candes 2015, Found. Comput. Math. 15, p. 715, for the restart by the gradient.
    """

    needs = "gradient"
    shrink: float = 0.5
    grow: float = 2.0

    def __post_init__(self) -> None:
        if positive("shrink", self.shrink) >= 1:
            raise ValueError(f"shrink must lie between 0 and 1, found {self.shrink!r}")
        if positive("grow", self.grow) < 1:
            raise ValueError(f"grow must be at least 1, found {self.grow!r}")

    def init(self, point: Point) -> Momentum:
        return Momentum(unit_rate(point))

    def propose(self, point: Point, state: Momentum) -> Proposal:
        return towards(point, point.gradient * -state.rate, state)

    @booked("line search")
    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Momentum]:
        state: Momentum = proposal.state
        found = self.shortened(point, proposal)
        if found is None:
            return point, state
        t, x = found
        rate, moved = t * state.rate, x.x - (point.x if state.last is None else state.last)
        if float(torch.dot(point.gradient, moved)) > 0:
            return x, Momentum(self.grow * rate)
        grow = self.grow if float(x.value) <= float(point.value) + ROOM * t * proposal.slope else 1.0
        theta = (1 + math.sqrt(1 + 4 * state.theta**2 / grow)) / 2
        y = x + (state.theta - 1) / theta * moved if state.theta > 1 else x
        return (y, Momentum(grow * rate, theta, x.x)) if math.isfinite(float(y.value)) else (x, Momentum(rate))

    def shortened(self, point: Point, proposal: Proposal) -> tuple[float, Point] | None:
        """The first t = 1, shrink, ... that passes, and y + t direction; None where there is none."""
        ray, slope = point.along(proposal.direction), proposal.slope
        highest = float(point.value) + resolution(point)
        t = 1.0
        for _ in range(TRIALS if slope < 0 else 0):
            count("line_search_trials")
            trial = ray.at(t)
            if -math.inf < float(trial.value) <= highest + 0.5 * t * slope:
                return t, trial
            t *= self.shrink
        gave_up(point, "backtracking", TRIALS if slope < 0 else 0, t / self.shrink)
        return None
