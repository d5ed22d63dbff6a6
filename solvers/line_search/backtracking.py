"""Backtracking: the first of 1, 1/2, 1/4, ... that decreases f enough."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..common.instrumentation import count
from ..common.validation import EPS
from ..objectives.base import Point, Ray
from ..objectives.rounding import ROUNDING, resolution, value_read

ROUNDING_TRIALS = 4  # trials spent on a decrease that cannot be seen in f
HELD = 0.1  # of the curvature along a step, due to the shift: then the shift holds the step back
TRIALS = 2200  # until t is 0 for shrink = 0.7; a search whose promise is lost in rounding ends long before


def flatter(point: Point, trial: Point, direction: Tensor, slope: float, sufficient: float = 1e-4) -> bool:
    """Whether a trial is acceptable although rounding hides the decrease of f that the slope promises.

    The approximate Wolfe condition of Hager & Zhang (2005, SIAM J. Optim. 16, eq. 4.1), with nothing allowed for a
    rise: f(trial) <= f(x), and the slope there lies between 0.9 slope and -(1 - 2 sufficient) slope.
    """
    if not float(trial.value) <= float(point.value):
        return False
    return 0.9 * slope <= float(torch.dot(trial.gradient, direction)) <= (2 * sufficient - 1) * slope


def unseen_step(point: Point, trial: Point, step: Tensor, slope: float, shift: float) -> tuple[Point, bool]:
    """Where to go from a shifted step whose gain rounding hides, and whether the shift is what makes it so short.

    shift: lambda s^T s; it does where that is a tenth of -g^T s or more. Then the same step with a smaller lambda is
    longer, and the trial is taken if f does not rise and still falls there.
    """
    if flatter(point, trial, step, slope):
        return trial, False
    if not shift > -HELD * slope:
        return point, False
    falls = float(trial.value) <= float(point.value) and float(torch.dot(trial.gradient, step)) < 0
    return (trial if falls and not torch.equal(trial.x, point.x) else point), True


def first_length(point: Point, norm: float) -> float:
    """How long a first step along -g is: 1, if f as a linear function can tell it and is not far below 0 there.

    Else |f| / ||g||, on which that function falls by |f|, whatever the units of x. norm: ||g||.
    """
    size = abs(value_read(point))
    usual = ROUNDING * EPS[point.x.dtype] * size < norm < size / EPS[point.x.dtype]
    return 1.0 if usual or size == 0 else size / norm


def gave_up(point: Point, search: str, trials: int, t: float) -> None:
    """Note on a point that a search found nothing to go to, for the message of a run that ends there."""
    words = "the slope along the direction is no negative number"
    if trials:
        words = f"none of {trials} trials, the last at t = {t:.2g}, was low enough"
    point.__dict__["_gave_up"] = f"{search} failed: {words}"


def backtrack(
    ray: Ray, slope: float, *, shrink: float = 0.5, sufficient: float = 1e-4, trials: int = TRIALS
) -> Point | None:
    """The point at the first t = 1, shrink, shrink^2, ... with f(t) <= f(0) + sufficient t slope, or None.

    slope: g^T direction, negative. The rule is Armijo's (Boyd & Vandenberghe, Alg. 9.2; Nocedal & Wright, p. 33).
    A trial that is not finite is rejected; where the promised decrease is lost in rounding, `flatter` decides. So
    values never rise, at rounding level neither. A Newton step out of a saturated loss may be 1e40 times too long:
    there is no other limit than that t > 0.
    """
    start, unseen = ray.point, 0
    value, noise = float(start.value), resolution(start)
    t, tried = 1.0, 0
    while -math.inf < slope < 0 and tried < trials:
        tried += 1
        count("line_search_trials")
        trial = ray.at(t)
        if -t * slope > noise:
            if -math.inf < float(trial.value) <= value + sufficient * t * slope:
                return trial
        elif unseen == ROUNDING_TRIALS:
            break
        else:
            unseen += 1
            if flatter(start, trial, ray.direction, slope, sufficient):
                return trial
        if t * shrink == 0:
            break
        t *= shrink
    gave_up(start, "backtracking", tried, t)
    return None
