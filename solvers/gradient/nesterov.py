"""Nesterov's accelerated gradient method, with backtracking and restarts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ..common.instrumentation import timed
from ..common.validation import at_least_one, fraction
from ..core.solver import DirectionalSolver, Proposal, setting, towards
from ..line_search.backtracking import first_below
from ..objectives.base import Point
from ..objectives.rounding import resolution
from .armijo import unit_rate

ROOM = 0.95  # of rate ||g||^2: with such a decrease the curvature along g is a tenth of L


class Momentum(NamedTuple):
    """The rate 1 / L, the last theta, and the last x, from which y was extrapolated."""

    rate: float
    theta: float = 1.0
    last: torch.Tensor | None = None  # (d,)


@dataclass(frozen=True)
class Nesterov(DirectionalSolver):
    """x+ = y - g(y) / L,  y+ = x+ + (theta - 1) / theta+ (x+ - x),  theta+ = (1 + sqrt(1 + 4 theta^2 L+ / L)) / 2.

    The iterates are the points y, where gradients are known: one gradient per step. 1 / L starts at `unit_rate`. It is
    multiplied by `shrink` until f(x+) <= f(y) - ||g(y)||^2 / (2 L), to rounding, and for the next step by `grow` where
    f fell by nearly twice that. Where g(y)^T (x+ - x) > 0 the momentum points uphill: theta is 1 again, and y+ = x+; so
    too where f is not finite at y+. f may rise from one iterate to the next.

    Nesterov 1983, Soviet Math. Dokl. 27, p. 372; Beck & Teboulle 2009, SIAM J. Imaging Sci. 2, p. 183, for the
    backtracking; Scheinberg, Goldfarb & Bai 2014, Found. Comput. Math. 14, p. 389, for theta where L falls; O'Donoghue
    & Candes 2015, Found. Comput. Math. 15, p. 715, for the restart by the gradient.
    """

    needs = "gradient"
    shrink: float = setting(0.5, fraction)
    grow: float = setting(2.0, at_least_one)

    def init(self, point: Point) -> Momentum:
        return Momentum(unit_rate(point))

    def propose(self, point: Point, state: Momentum) -> Proposal:
        return towards(point, point.gradient * -state.rate, state)

    @timed("line search")
    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Momentum]:
        state: Momentum = proposal.state
        ray, slope = point.along(proposal.direction), proposal.slope
        found = first_below(ray, slope, self.shrink, point.float_value + resolution(point), 0.5)
        if found is None:
            return point, state
        t, x, _ = found
        rate, moved = t * state.rate, x.x - (point.x if state.last is None else state.last)
        if float(torch.dot(point.gradient, moved)) > 0:
            return x, Momentum(self.grow * rate)
        grow = self.grow if x.float_value <= point.float_value + ROOM * t * slope else 1.0
        theta = (1 + math.sqrt(1 + 4 * state.theta**2 / grow)) / 2
        y = x + (state.theta - 1) / theta * moved if state.theta > 1 else x
        return (y, Momentum(grow * rate, theta, x.x)) if math.isfinite(y.float_value) else (x, Momentum(rate))
