"""Are the gradient and the Hessian of a problem those of its value? Every entry against central differences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..problem import Problem

STEPS = tuple(10.0**-k for k in range(2, 10))  # relative to the variable; the best of them counts
TOLERANCE = 1e-5  # of the largest entry: differences of badly scaled functions lose ten digits, a wrong term all
FLOOR = 1e-3  # of the largest variable: what is 0 but for rounding has no size of its own
AWAY = 0.01  # from the start, relative: some starts are stationary, or have terms that vanish


@dataclass(frozen=True)
class Difference:
    """The largest difference over the entries, relative to the largest entry; inf where f is not finite there."""

    gradient: float
    hessian: float

    @property
    def passed(self) -> bool:
        return self.gradient <= TOLERANCE and self.hessian <= TOLERANCE


def check_start(problem: Problem) -> Difference:
    """At a point near the start, the same every time."""
    chance = torch.randn(len(problem.x0), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shift = AWAY * chance.to(problem.x0)
    return differences(problem.objective, torch.where(problem.x0 == 0, shift, problem.x0 * (1 + shift)))


def differences(objective: Any, x: Tensor) -> Difference:
    """Gradient against differences of values, columns of the Hessian against differences of gradients, at x (d,)."""
    point = objective.at(x)
    g, H = point.gradient, point.hessian
    sizes = x.abs().clamp(min=(FLOOR * float(x.abs().max())) or 1.0)
    worst_slope = worst_bend = 0.0
    for i in range(len(x)):
        slopes, bends = [math.inf], [math.inf]
        for step in STEPS:
            h = torch.zeros_like(x)
            h[i] = step * float(sizes[i])
            width = 2 * float(h[i])
            up, down = objective.at(x + h), objective.at(x - h)
            slopes.append(abs((float(up.value) - float(down.value)) / width - float(g[i])))
            bends.append(float(((up.gradient - down.gradient) / width - H[:, i]).abs().max()))
        worst_slope = max(worst_slope, min(e for e in slopes if not math.isnan(e)))
        worst_bend = max(worst_bend, min(e for e in bends if not math.isnan(e)))
    return Difference(_relative(worst_slope, g), _relative(worst_bend, H))


def _relative(error: float, entries: Tensor) -> float:
    """NaN entries are no derivative."""
    size = float(entries.abs().max())
    return math.inf if not math.isfinite(size) else error / size if size > 0 else error
