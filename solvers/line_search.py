"""Backtracking: the first of 1, 1/2, 1/4, ... that decreases f enough."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .checks import EPS
from .objectives.base import Point, Ray
from .phases import count

ROUNDING = 8  # changes of f below this many units in its last place are noise
ROUNDING_TRIALS = 4  # trials spent on a decrease that cannot be seen in f


def resolution(point: Point) -> float:
    """The change of f that rounding hides at a point."""
    return ROUNDING * EPS[point.x.dtype] * abs(float(point.value))


def flatter(point: Point, trial: Point, direction: Tensor, slope: float, sufficient: float = 1e-4) -> bool:
    """Whether a trial is acceptable although rounding hides the decrease of f that the slope promises.

    The approximate Wolfe condition of Hager & Zhang (2005, SIAM J. Optim. 16, eq. 4.1), with nothing allowed for a
    rise: f(trial) <= f(x), and the slope there lies between 0.9 slope and -(1 - 2 sufficient) slope.
    """
    if not float(trial.value) <= float(point.value):
        return False
    return 0.9 * slope <= float(torch.dot(trial.gradient, direction)) <= (2 * sufficient - 1) * slope


def backtrack(
    ray: Ray, slope: float, *, shrink: float = 0.5, sufficient: float = 1e-4, trials: int = 100
) -> Point | None:
    """The point at the first t = 1, shrink, shrink^2, ... with f(t) <= f(0) + sufficient t slope, or None.

    slope: g^T direction, negative. The rule is Armijo's (Boyd & Vandenberghe, Alg. 9.2; Nocedal & Wright, p. 33).
    A trial that is not finite is rejected; where the promised decrease is lost in rounding, `flatter` decides. So
    values never rise, at rounding level neither.
    """
    if not slope < 0:
        return None
    start, unseen = ray.point, 0
    value, noise = float(start.value), resolution(start)
    t = 1.0
    for _ in range(trials):
        count("line_search_trials")
        trial = ray.at(t)
        if -t * slope > noise:
            if -math.inf < float(trial.value) <= value + sufficient * t * slope:
                return trial
        elif unseen == ROUNDING_TRIALS:
            return None
        else:
            unseen += 1
            if flatter(start, trial, ray.direction, slope, sufficient):
                return trial
        t *= shrink
    return None
