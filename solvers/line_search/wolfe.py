"""A line search for the strong Wolfe conditions: enough decrease, and a slope that is small enough."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..common.instrumentation import count, timed
from ..common.scalars import squared
from ..common.validation import positive
from ..core.solver import DirectionalSolver, Proposal, setting
from ..objectives.base import Point, Ray
from ..objectives.rounding import resolution
from .backtracking import ROUNDING_TRIALS, note_failure

FARTHEST = 10.0  # a longer step is at most so many times the last one
INSIDE = 0.1  # a step between two others keeps this share of their distance from both


class Trial(NamedTuple):
    """A step length, and what is known of f there."""

    t: float
    value: float
    slope: float  # nan where it was not computed
    point: Point


def strong_wolfe(
    ray: Ray, slope: float, *, sufficient: float = 1e-4, curvature: float = 0.9, trials: int = 40
) -> Point | None:
    """A point with f(t) <= f(0) + sufficient t slope and |slope(t)| <= curvature |slope|, looked for from t = 1.

    slope: g^T direction, negative. Nocedal & Wright, Alg. 3.5 and 3.6, as one loop: `low` is the best step so far that
    has enough decrease, and from it f falls towards `high`, which is not known at first. The next trial is the
    minimiser of the cubic through both (eq. 3.59), of the quadratic where the slope at `high` is not known, or the
    middle where f is not finite there; never nearer than INSIDE to either.

    Where the promised decrease is below rounding level the approximate conditions of Hager & Zhang (2005, SIAM J.
    Optim. 16, eq. 4.1) replace both, and slopes instead of values bracket the step: curvature slope <= slope(t) <=
    -(1 - 2 sufficient) slope, and f(t) <= f(0). So values never rise, not even by rounding. After the last trial the
    best step with enough decrease is taken, whatever its slope; None where there is none.
    """
    if not slope < 0:
        note_failure(ray.point, "the Wolfe search", 0, 0.0)
        return None
    start = ray.point.float_value
    noise = resolution(ray.point)
    low, high = Trial(0.0, start, slope, ray.point), None
    previous, t, below_rounding, tried = low, 1.0, 0, 0
    while tried < trials:
        tried += 1
        count("line_search_trials")
        point = ray.at(t)
        value = point.float_value
        rounded = -t * slope <= noise
        if rounded:
            below_rounding += 1
            falls = value <= start + noise
        else:
            falls = value <= start + sufficient * t * slope and (value < low.value or low.t == 0)
        if not (falls and math.isfinite(value)):
            high = Trial(t, value, math.nan, point)
        else:
            here = Trial(t, value, ray.slope(point), point)
            if rounded:
                accepted = curvature * slope <= here.slope <= (2 * sufficient - 1) * slope and value <= start
            else:
                accepted = abs(here.slope) <= -curvature * slope
            if accepted:
                return point
            if not math.isfinite(here.slope):
                high = here._replace(value=math.inf)
            elif here.slope * ((high.t if high else math.inf) - low.t) >= 0:
                low, high = here, low
            else:
                low, previous = here, low
        if below_rounding > ROUNDING_TRIALS:
            break
        t = beyond(previous, low) if high is None else between(low, high)
        if t in (low.t, high.t if high else math.inf):  # the interval has no float inside
            break
    if low.t > 0 and low.value < start:
        return low.point
    note_failure(ray.point, "the Wolfe search", tried, t)
    return None


def between(low: Trial, high: Trial) -> float:
    """The next trial between two."""
    width = high.t - low.t
    t = minimiser(low, high)
    if not math.isfinite(t):
        return low.t + width / 2
    share = (t - low.t) / width
    return low.t + min(max(share, INSIDE), 1 - INSIDE) * width


def beyond(before: Trial, last: Trial) -> float:
    """The next trial, longer than the last."""
    t = minimiser(last, before)
    return min(max(t, 2 * last.t), FARTHEST * last.t) if t > last.t else FARTHEST * last.t


def minimiser(a: Trial, b: Trial) -> float:
    """Of the cubic through two values and two slopes, of the quadratic without b's slope; nan where it has none."""
    width = b.t - a.t
    if not math.isfinite(b.value):
        return math.nan
    try:
        if not math.isfinite(b.slope):
            return a.t - a.slope * squared(width) / (2 * (b.value - a.value - a.slope * width))
        first = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
        second = math.copysign(math.sqrt(squared(first) - a.slope * b.slope), width)
        return b.t - width * (b.slope + second - first) / (b.slope - a.slope + 2 * second)
    except (ValueError, ZeroDivisionError, OverflowError):  # no real root, or none that is a number
        return math.nan


@dataclass(frozen=True)
class WolfeSearch(DirectionalSolver):
    """Moves to a point along the direction that meets the strong Wolfe conditions; else stays."""

    sufficient: float = setting(1e-4, positive)  # Nocedal & Wright, p. 62, and so is the next
    curvature: float = setting(0.9, positive)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.sufficient < min(self.curvature, 0.5) < 1 or self.curvature >= 1:
            raise ValueError(
                "sufficient < curvature < 1 and sufficient < 1/2 must hold, "
                f"found {self.sufficient!r} and {self.curvature!r}"
            )

    @timed("line search")
    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Any]:
        found = strong_wolfe(
            point.along(proposal.direction), proposal.slope, sufficient=self.sufficient, curvature=self.curvature
        )
        return (point if found is None else found), proposal.state
