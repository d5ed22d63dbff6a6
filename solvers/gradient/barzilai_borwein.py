"""The Barzilai-Borwein method: gradient steps with lengths from the curvature, along which f may rise a little."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ..common.instrumentation import timed
from ..common.names import lookup
from ..common.validation import fraction, whole
from ..core.solver import DirectionalSolver, Proposal, setting, towards
from ..line_search.backtracking import first_below
from ..objectives.base import Point
from ..objectives.rounding import resolution
from .armijo import unit_rate

LONGER = 10.0  # the factor between rates where the curvature is not positive

RULES = {  # whether the step of that number takes the long length
    "long": lambda step: True,
    "short": lambda step: False,
    "alternating": lambda step: step % 2 == 0,
}


class Steps(NamedTuple):
    """The last values of f, how many steps there were, the last rate, and where it was used."""

    values: tuple[float, ...]
    count: int = 0
    rate: float = math.nan
    last: Point | None = None


@dataclass(frozen=True)
class BarzilaiBorwein(DirectionalSolver):
    """x+ = x - t a g,  a = s^T s / s^T y (long), s^T y / y^T y (short) or both in turn, from s = x - x-, y = g - g-.

    t is the first of 1, shrink, shrink^2, ... with f(x+) <= max(the last `memory` values) - sufficient t a ||g||^2: f
    may rise for a while, and memory=1 forbids it. At the start a is `unit_rate`; where s^T y is not positive it is ten
    times what it was. (Barzilai & Borwein 1988, IMA J. Numer. Anal. 8, p. 141; the search, due to Grippo, Lampariello
    & Lucidi, from Raydan 1997, SIAM J. Optim. 7, p. 26; in turn: Dai & Fletcher 2005, Numer. Math. 100, p. 21.)
    """

    needs = "gradient"
    rule: str = setting("alternating", lambda name, value: lookup(RULES, value, name))
    memory: int = setting(10, whole)  # this and the next as in Raydan 1997
    sufficient: float = setting(1e-4, fraction)
    shrink: float = setting(0.5, fraction)

    def init(self, point: Point) -> Steps:
        return Steps((point.float_value,))

    def propose(self, point: Point, state: Steps) -> Proposal:
        rate = unit_rate(point) if state.last is None else self.rate(point, state)
        return towards(point, point.gradient * -rate, Steps(state.values, state.count, rate, point))

    def rate(self, point: Point, state: Steps) -> float:
        """a, from the last two iterates."""
        s, y = point.x - state.last.x, point.gradient - state.last.gradient
        curvature = float(torch.dot(s, y))
        if not curvature > 0:
            return LONGER * state.rate
        if RULES[self.rule](state.count):
            found = float(torch.dot(s, s)) / curvature
        else:
            squares = float(torch.dot(y, y))  # 0 where it underflows
            found = curvature / squares if squares else 0.0
        return found if 0 < found < math.inf else state.rate

    @timed("line search")
    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Steps]:
        state, slope = proposal.state, proposal.slope
        ray, noise = point.along(proposal.direction), resolution(point)
        highest = max(state.values) + (noise if self.memory > 1 else 0.0)
        found = first_below(ray, slope, self.shrink, highest, self.sufficient)
        if found is None:
            return point, state
        _, moved, value = found
        return moved, state._replace(values=(*state.values, value)[-self.memory :], count=state.count + 1)
