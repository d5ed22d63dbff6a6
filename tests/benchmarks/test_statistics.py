"""Intervals are those of scipy's percentile bootstrap with the same seed; fewer than six values have none."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from benchmarks.runner.statistics import CONFIDENCE, FEWEST, RESAMPLES, SEED, Interval, median_interval, ratio_interval


def sample(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(size=n)


def by_scipy(statistic, *samples, seed=SEED) -> tuple[float, float]:
    found = scipy.stats.bootstrap(
        samples, statistic, confidence_level=CONFIDENCE, n_resamples=RESAMPLES, method="percentile",
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    return tuple(found.confidence_interval)


@pytest.mark.parametrize("n", [FEWEST, 7, 10, 31])
@pytest.mark.parametrize("seed", [SEED, 0])
def test_intervals_are_those_of_scipy(n, seed):
    a, b = sample(n, 1), sample(n + 3, 2)
    found = median_interval(a, seed=seed)
    assert found.median == np.median(a) and found.rounds == n
    assert found[1:3] == pytest.approx(by_scipy(np.median, a, seed=seed), rel=1e-12)
    ratio = ratio_interval(a, b, seed=seed)
    ends = by_scipy(lambda x, y, axis: np.median(x, axis=axis) / np.median(y, axis=axis), a, b, seed=seed)
    assert ratio[1:3] == pytest.approx(ends, rel=1e-12) and ratio.rounds == n


def test_few_values_and_infinite_ones_have_a_median_and_no_interval():
    few = median_interval([1.0, 2.0, 4.0])
    assert (few.median, few.rounds) == (2.0, 3) and math.isnan(few.low) and few.times(2) == "4"
    infinite = ratio_interval([math.inf] * 7, sample(7, 1))
    assert infinite.median == math.inf and math.isnan(infinite.high)
    assert math.isnan(median_interval([]).median) and Interval().times(1) == "-"


def test_the_interval_holds_the_median_and_narrows_with_more_values():
    values = np.random.default_rng(0).normal(5, 1, size=400)
    few, many = median_interval(values[:8]), median_interval(values)
    assert few.low <= few.median <= few.high and many.high - many.low < few.high - few.low
    assert many.low < 5 < many.high
