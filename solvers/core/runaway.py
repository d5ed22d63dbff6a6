"""Whether f falls from x0 through x to the largest numbers: tested only where f has fallen far, or a run ends.

A test costs a dozen values of f at most, and most often one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ..common.instrumentation import phase
from ..objectives.base import Objective, Point

LARGEST = 2.0**1000
LONG = 1e-3  # of the way from x0: a Newton step as long as that does not lead to a minimum near by


class Fall:
    """Tests a run for an f without lower bound, each time that f has fallen below a threshold.

    That is first -|f(x0)| / eps^2, below any minimum whose digits could be resolved, and then f / eps.
    """

    def __init__(self, x0: Tensor, start: float, estimate: float) -> None:
        """start: f(x0); estimate: half the slope of the first direction, in place of an f(x0) of 0."""
        self.x0, self.start, self.eps = x0, start, torch.finfo(x0.dtype).eps
        self.threshold = -(abs(start) or 2 * estimate) / self.eps**2

    def without_bound(self, point: Point, value: float) -> bool:
        self.threshold = value / self.eps
        return falls_without_bound(point, self.x0, self.start)


def values_along(point: Point, x0: Tensor) -> Iterator[tuple[float, float]]:
    """t and f(x0 + t (x - x0)) for t = 1 + 2^-10, 1 + 2^-5, 2, 4, 16, 256, ... as far as numbers reach.

    The first two are for a minimum so near that a longer step would pass over it. Where f raises an exception it counts
    as infinite.
    """
    way = point.x - x0
    size = float(torch.linalg.vector_norm(way, math.inf))
    if not 0 < size < math.inf:
        return
    end = min(torch.finfo(way.dtype).max / 4 / size, LARGEST)
    beyond, t = [1 + 2.0**-10, 1 + 2.0**-5, 2.0], 4.0
    while t < end:
        beyond.append(t)
        t = t * t if t < 2.0**500 else end
    with phase("stopping test"):
        for t in (*beyond, end) if end > 2 else beyond[:2]:
            try:
                value = (point + (t - 1) * way).float_value
            except Exception:  # of the user's function, which need not be defined so far away
                value = math.inf
            yield t, value


def falls_without_bound(point: Point, x0: Tensor, start: float) -> bool:
    """Whether f falls along that way at half its mean rate so far or faster, to the last number.

    No multiple of a bounded f does, whatever its units. start: f(x0).
    """
    fell = start - point.float_value
    for t, value in values_along(point, x0):
        if not start - value >= t * fell / 2:
            return math.isnan(value) and t > 2  # infinity less infinity
        if value == -math.inf:
            break
    return fell > 0 and not torch.equal(point.x, x0)


def keeps_falling(point: Point, x0: Tensor) -> bool:
    """Whether f never rises along that way, to the last number, and ends lower than it is here.

    Past a minimum it rises; where it is flat it ends no lower.
    """
    lowest = here = point.float_value
    for _, value in values_along(point, x0):
        if not value <= lowest:
            return False
        lowest = value
    return lowest < here


def has_existence_test(objective: Any) -> bool:
    """Whether the objective has a test of its own for a minimiser that does not exist."""
    known = getattr(type(objective), "no_minimiser", Objective.no_minimiser)
    return known is not Objective.no_minimiser


def newton_step_is_long(point: Point, x0: Tensor, newton_step: Tensor | None) -> bool:
    """Whether the Newton step at x is so long, compared with x - x0, that the iterates may run to infinity."""
    if newton_step is None:
        return False
    return bool(torch.linalg.vector_norm(newton_step) > LONG * torch.linalg.vector_norm(point.x - x0))
