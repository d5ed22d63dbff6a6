"""The Barzilai-Borwein method: gradient steps as long as curvature says, which may rise a little."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ..common.instrumentation import booked, count
from ..common.names import lookup
from ..common.validation import positive, whole
from ..core.solver import DirectionalSolver, Proposal, towards
from ..line_search.backtracking import gave_up
from ..objectives.base import Point
from ..objectives.rounding import resolution
from .armijo import unit_rate

TRIALS = 100
LONGER = 10.0  # the next rate, in those of the last, where the curvature was not positive

RULES = {  # which of the two lengths a step of that number takes
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
    rule: str = "alternating"
    memory: int = 10  # this and the next as in Raydan 1997
    sufficient: float = 1e-4
    shrink: float = 0.5

    def __post_init__(self) -> None:
        lookup(RULES, self.rule, "rule")
        whole("memory", self.memory)
        for name in ("shrink", "sufficient"):
            if positive(name, getattr(self, name)) >= 1:
                raise ValueError(f"{name} must lie between 0 and 1, found {getattr(self, name)!r}")

    def init(self, point: Point) -> Steps:
        return Steps((float(point.value),))

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

    @booked("line search")
    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Steps]:
        state, slope = proposal.state, proposal.slope
        ray, noise = point.along(proposal.direction), resolution(point)
        highest = max(state.values) + (noise if self.memory > 1 else 0.0)
        t = 1.0
        for _ in range(TRIALS if slope < 0 else 0):
            count("line_search_trials")
            trial = ray.at(t)
            value = float(trial.value)
            if -math.inf < value <= highest + self.sufficient * t * slope:
                return trial, state._replace(values=(*state.values, value)[-self.memory :], count=state.count + 1)
            t *= self.shrink
        gave_up(point, "backtracking", TRIALS if slope < 0 else 0, t / self.shrink)
        return point, state
