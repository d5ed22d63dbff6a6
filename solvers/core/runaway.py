"""Whether f decreases from x0 through x up to overflow: tested only if f has fallen far, or a run ends.

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


class UnboundedBelow:
    """Test whether f is unbounded below, each time that f has fallen below a threshold.

    That is first -|f(x0)| / eps^2, below any minimum whose digits could be resolved, and then f / eps.
    """

    def __init__(self, x0: Tensor, initial_value: float, estimate: float) -> None:
        """initial_value: f(x0); estimate: half the slope of the first direction, used if f(x0) is 0."""
        self.x0, self.initial_value, self.eps = x0, initial_value, torch.finfo(x0.dtype).eps
        self.threshold = -(abs(initial_value) or 2 * estimate) / self.eps**2

    def proved(self, point: Point, value: float) -> bool:
        self.threshold = value / self.eps
        return falls_without_bound(point, self.x0, self.initial_value)


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


def falls_without_bound(point: Point, x0: Tensor, initial_value: float) -> bool:
    """Whether f decreases along that line at half its mean rate so far or faster, up to overflow.

    No multiple of a bounded f does, whatever its units. initial_value: f(x0).
    """
    fell = initial_value - point.float_value
    for t, value in values_along(point, x0):
        if not initial_value - value >= t * fell / 2:
            return math.isnan(value) and t > 2  # infinity less infinity
        if value == -math.inf:
            break
    return fell > 0 and not torch.equal(point.x, x0)


def decreases_to_the_end(point: Point, x0: Tensor) -> bool:
    """Whether f never increases along that line, up to overflow, and ends lower than it is here.

    Past a minimum it increases; where it is constant it ends no lower.
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
