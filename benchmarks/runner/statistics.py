"""Medians and ratios of repeats with percentile bootstrap intervals: pure functions of numbers, the same each time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95
FEWEST = 6  # with five, even the interval from the least to the largest covers the median in only 94 % of cases
RESAMPLES = 2000
SEED = 20260101  # of every interval but the scoreboard's: the same runs give the same interval


def resamples(sample: np.ndarray, rng: np.random.Generator, count: int = RESAMPLES) -> np.ndarray:
    """Draws with replacement, (count, n)."""
    return sample[rng.integers(len(sample), size=(count, len(sample)))]


def percentiles(values: np.ndarray) -> tuple[float, float]:
    """The ends of the middle 95 % of resampled values."""
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def bootstrap(
    statistic: Callable[..., np.ndarray], *samples: Sequence[float], seed: int = SEED, count: int = RESAMPLES
) -> tuple[float, float]:
    """The percentile bootstrap interval of statistic(x, ...), each sample resampled apart, in their order.

    statistic: takes one array (count, n) a sample and gives (count,). NaN where a sample has fewer than FEWEST. The
    draws are those of scipy.stats.bootstrap with method="percentile" and one batch, and so are the results.
    """
    arrays = [np.asarray(sample, dtype=float) for sample in samples]
    if min(map(len, arrays)) < FEWEST:
        return math.nan, math.nan
    rng = np.random.default_rng(seed)
    return percentiles(statistic(*(resamples(array, rng, count) for array in arrays)))


def medians(x: np.ndarray) -> np.ndarray:
    return np.median(x, axis=-1)


class Interval(NamedTuple):
    """A median, or a ratio of medians, with its 95 % interval (NaN for fewer than six). rounds: how many values, of
    two samples of the smaller."""

    median: float = math.nan
    low: float = math.nan
    high: float = math.nan
    rounds: int = 0

    def times(self, factor: float) -> str:
        """`1.23 [1.20, 1.31]`, in units of 1 / factor."""
        if math.isnan(self.median):
            return "-"
        interval = "" if math.isnan(self.low) else f" [{factor * self.low:.3g}, {factor * self.high:.3g}]"
        return f"{factor * self.median:.3g}{interval}"


def median_interval(sample: Sequence[float], *, seed: int = SEED, count: int = RESAMPLES) -> Interval:
    """Empty of nothing."""
    if len(sample) == 0:
        return Interval()
    return Interval(float(np.median(sample)), *bootstrap(medians, sample, seed=seed, count=count), len(sample))


def ratio_interval(a: Sequence[float], b: Sequence[float], *, seed: int = SEED) -> Interval:
    """median(a) / median(b), the two resampled apart; without an interval where a time is infinite."""
    found, rounds = float(np.median(a) / np.median(b)), min(len(a), len(b))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return Interval(found, rounds=rounds)
    return Interval(found, *bootstrap(lambda x, y: medians(x) / medians(y), a, b, seed=seed), rounds)
