"""Backtracking: the first of 1, 1/2, 1/4, ... that decreases f enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import Tensor

from ..common.instrumentation import count, timed
from ..common.scalars import read_together
from ..common.validation import EPS
from ..objectives.base import Point, Ray
from ..objectives.rounding import ROUNDING, resolution

ROUNDING_TRIALS = 4  # trials spent on a decrease below rounding level
SHIFT_SHARE = 0.1  # of the curvature along a step, due to the shift: from there on the shift shortens the step
SHRINKS = 100  # of a first-order method
TRIALS = 2200  # until t is 0 for shrink = 0.7; a search whose promise is lost in rounding ends long before

Check = Callable[[float, Point], bool]  # of a step length and the point there


def approximate_wolfe(point: Point, trial: Point, direction: Tensor, slope: float, sufficient: float = 1e-4) -> bool:
    """Whether a trial is acceptable where the decrease of f that the slope promises is below rounding level.

    The approximate Wolfe condition of Hager & Zhang (2005, SIAM J. Optim. 16, eq. 4.1), with nothing allowed for a
    rise: f(trial) <= f(x), and the slope there lies between 0.9 slope and -(1 - 2 sufficient) slope.
    """
    if not trial.float_value <= point.float_value:
        return False
    return 0.9 * slope <= float(torch.dot(trial.gradient, direction)) <= (2 * sufficient - 1) * slope


@timed("line search", "line_search_trials")
def trial_step(point: Point, step: Tensor, predicted: float) -> tuple[Point, float | None]:
    """x + s, and the decrease of f over the predicted one; None where the latter is below rounding level."""
    trial = point.along(step).at(1.0)
    _ = trial.float_value  # in any case computed here, as a part of the search
    if not predicted > resolution(point):
        return trial, None
    return trial, (point.float_value - trial.float_value) / predicted


def step_below_rounding(point: Point, trial: Point, step: Tensor, slope: float, shift: float) -> tuple[Point, bool]:
    """The next point after a shifted step whose gain is below rounding level, and whether the shift is too large.

    shift: lambda s^T s; it is too large if that is a tenth of -g^T s or more: a smaller lambda makes a longer step.
    Then the trial is taken if f does not rise and its slope there is negative.
    """
    if approximate_wolfe(point, trial, step, slope):
        return trial, False
    if not shift > -SHIFT_SHARE * slope:
        return point, False
    falls = trial.float_value <= point.float_value and float(torch.dot(trial.gradient, step)) < 0
    return (trial if falls and not torch.equal(trial.x, point.x) else point), True


def first_length(point: Point, norm: float) -> float:
    """The length of a first step along -g: 1, if the linear model's decrease is neither rounding nor far above |f|.

    Else |f| / ||g||, over which the linear model falls by |f|, whatever the units of x. norm: ||g||.
    """
    size = abs(point.float_value)
    usual = ROUNDING * EPS[point.x.dtype] * size < norm < size / EPS[point.x.dtype]
    return 1.0 if usual or size == 0 else size / norm


def note_failure(point: Point, search: str, trials: int, t: float) -> None:
    """Store on a point that a search from it failed, for the message of a run that ends there."""
    words = "the slope along the direction is not negative"
    if trials:
        words = f"none of {trials} trial steps decreased f enough (the last: t = {t:.2g})"
    point.__dict__["_failed_search"] = f"{search} failed: {words}"


def first_below(
    ray: Ray, slope: float, shrink: float, highest: float, sufficient: float, check: Check | None = None
) -> tuple[float, Point, float] | None:
    """The first t = 1, shrink, ... with f(t) <= highest + sufficient t slope that passes the check; its point and f."""
    t, tried = 1.0, SHRINKS if slope < 0 else 0
    for _ in range(tried):
        count("line_search_trials")
        trial = ray.at(t)
        value = trial.float_value
        if -math.inf < value <= highest + sufficient * t * slope and (check is None or check(t, trial)):
            return t, trial, value
        t *= shrink
    note_failure(ray.point, "backtracking", tried, t / shrink)
    return None


def trial_points(ray: Ray, shrink: float, together: int = 1) -> Iterator[tuple[float, Point]]:
    """t = 1, shrink, shrink^2, ... while t > 0, and the points there; after the first, `together` at a time, whose
    values the host reads at once."""
    t = 1.0
    while t > 0:
        if together == 1 or t == 1:
            count("line_search_trials")
            yield t, ray.at(t)
        else:
            lengths = [t * shrink**k for k in range(together)]
            points = [ray.at(length) for length in lengths]
            values = read_together(*(point.value for point in points))
            for t, point, value in zip(lengths, points, values, strict=True):
                count("line_search_trials")
                point.__dict__["float_value"] = value
                yield t, point
        t *= shrink


def backtrack(
    ray: Ray,
    slope: float,
    *,
    shrink: float = 0.5,
    sufficient: float = 1e-4,
    trials: int = TRIALS,
    together: int = 1,
) -> Point | None:
    """The point at the first t = 1, shrink, shrink^2, ... with f(t) <= f(0) + sufficient t slope, or None.

    slope: g^T direction, negative. The rule is Armijo's (Boyd & Vandenberghe, Alg. 9.2; Nocedal & Wright, p. 33).
    A trial that is not finite is rejected. Where the promised decrease is below rounding level, `approximate_wolfe`
    decides: values never rise, not even by rounding. A Newton step out of a saturated loss may be 1e40 times too long,
    so the only limit is that t > 0.
    """
    start, below_rounding = ray.point, 0
    value, noise = start.float_value, resolution(start)
    t, tried = 1.0, 0
    downhill = -math.inf < slope < 0
    for t, trial in islice(trial_points(ray, shrink, together), trials if downhill else 0):
        tried += 1
        if -t * slope > noise:
            if -math.inf < trial.float_value <= value + sufficient * t * slope:
                return trial
        elif below_rounding == ROUNDING_TRIALS:
            break
        else:
            below_rounding += 1
            if approximate_wolfe(start, trial, ray.direction, slope, sufficient):
                return trial
    note_failure(start, "backtracking", tried, t)
    return None
