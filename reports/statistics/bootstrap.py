"""The bootstrap: one way to resample repeats, with one seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

CONFIDENCE = 0.95
SEED = 20260101  # of every bootstrap: the same times, in the same order, give the same interval
RESAMPLES = 2000
FEWEST = 6  # with five, even the interval from the least to the largest covers the median in only 94 % of cases


def resampled(statistic: Callable[..., np.ndarray], *samples: Sequence[float]) -> np.ndarray:
    """The statistic of RESAMPLES resamples; of several samples each is resampled by itself.

    statistic: a function of as many arrays (RESAMPLES, repeats), to (RESAMPLES,).
    """
    rng = np.random.default_rng(SEED)
    drawn = [values[rng.integers(len(values), size=(RESAMPLES, len(values)))] for values in map(np.asarray, samples)]
    return statistic(*drawn)


def medians(drawn: np.ndarray) -> np.ndarray:
    return np.median(drawn, axis=-1)


def percentiles(values: np.ndarray) -> tuple[float, float]:
    """The ends of the percentile interval, 95 % of the resampled values between them."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.percentile(values, [100 * tail, 100 * (1 - tail)])
    return float(low), float(high)


def ratio(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float]:
    """median(a) / median(b) with its interval; NaN for the interval of fewer than six repeats or of infinite times."""
    found = float(np.median(a) / np.median(b))
    if min(len(a), len(b)) < FEWEST or not np.isfinite([*a, *b]).all():
        return found, math.nan, math.nan
    return found, *percentiles(resampled(lambda x, y: medians(x) / medians(y), a, b))


def mostly_below(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether median(a) < median(b) in all but 2.5 % of resamples: `ratio` below 1, for times that may be infinite."""
    below = resampled(lambda x, y: medians(x) < medians(y), a, b)
    return float(np.mean(below)) >= (1 + CONFIDENCE) / 2


def geometric_mean(ratios: Sequence[float]) -> tuple[float, float, float]:
    """exp(mean(ln r)) with its interval over the ratios; NaN for the interval of fewer than six, or of equal ones."""
    logs = np.log(np.asarray(ratios, dtype=float))
    middle = float(np.exp(logs.mean()))
    if len(logs) < FEWEST or np.ptp(logs) == 0:
        return middle, math.nan, math.nan
    low, high = percentiles(resampled(lambda drawn: drawn.mean(axis=-1), logs))
    return middle, math.exp(low), math.exp(high)


def slope(x: np.ndarray, samples: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """The slope of log median time over log x by least squares, with its interval over the repeats of each size.

    NaN for the interval where a size has fewer than six repeats.
    """
    log_x = np.log(x) - np.log(x).mean()

    def fit(*times: np.ndarray) -> np.ndarray:
        return np.log(np.stack([medians(each) for each in times], axis=-1)) @ log_x / (log_x @ log_x)

    found = float(fit(*samples))
    if min(map(len, samples)) < FEWEST:
        return found, math.nan, math.nan
    return found, *percentiles(resampled(fit, *samples))
