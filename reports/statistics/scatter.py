"""How far measurements scatter: standard errors and scales by formula, without resampling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy import stats
from scipy.special import betainc


@cache
def _median_weights(n: int) -> np.ndarray:
    """The chance of each of n ordered samples to be the median of a resample: Beta((n+1)/2, (n+1)/2) on [i-1, i]/n."""
    return np.diff(betainc((n + 1) / 2, (n + 1) / 2, np.arange(n + 1) / n))


def median_error(values: np.ndarray) -> float:
    """The standard error of a median: sqrt(sum w_i x_(i)^2 - (sum w_i x_(i))^2) (Maritz & Jarrett, JASA 73, 1978).

    It is that of the bootstrap with infinitely many resamples; w_i as in Harrell & Davis (Biometrika 69, 1982).
    """
    weights, ordered = _median_weights(len(values)), np.sort(values)
    centre = weights @ ordered
    return math.sqrt(weights @ (ordered - centre) ** 2)


def robust_scale(values: Sequence[float]) -> float:
    """1.4826 median |x - median x|: the standard deviation of normal x, of which less than half may be anything."""
    return 1.4826 * float(np.median(np.abs(np.asarray(values) - np.median(values))))


@cache
def t_quantile(probability: float, freedom: int) -> float:
    """A quantile of Student's t."""
    return float(stats.t.ppf(probability, freedom))
