"""What reports ask of the bootstrap: ratios, orders, means and slopes, with intervals over the repeats."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.runner.statistics import CONFIDENCE, FEWEST, SEED, bootstrap, medians, ratio_interval, resamples


def ratio(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float]:
    """median(a) / median(b) with its interval; NaN for the interval of fewer than six repeats or of infinite times."""
    return ratio_interval(a, b)[:3]


def mostly_below(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether median(a) < median(b) in all but 2.5 % of resamples: `ratio` below 1, for times that may be infinite."""
    rng = np.random.default_rng(SEED)
    first, second = (medians(resamples(sample, rng)) for sample in (a, b))
    return min(len(a), len(b)) >= FEWEST and float(np.mean(first < second)) >= (1 + CONFIDENCE) / 2


def geometric_mean(ratios: Sequence[float]) -> tuple[float, float, float]:
    """exp(mean(ln r)) with its interval over the ratios; NaN for the interval of fewer than six, or of equal ones."""
    logs = np.log(np.asarray(ratios, dtype=float))
    middle = float(np.exp(logs.mean()))
    if np.ptp(logs) == 0:
        return middle, math.nan, math.nan
    low, high = bootstrap(lambda drawn: drawn.mean(axis=-1), logs)
    return middle, math.exp(low), math.exp(high)


def slope(x: np.ndarray, samples: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """The slope of log median time over log x by least squares, with its interval over the repeats of each size.

    NaN for the interval where a size has fewer than six repeats.
    """
    log_x = np.log(x) - np.log(x).mean()

    def fit(*times: np.ndarray) -> np.ndarray:
        return np.log(np.stack([medians(each) for each in times], axis=-1)) @ log_x / (log_x @ log_x)

    return float(fit(*samples)), *bootstrap(fit, *samples)
