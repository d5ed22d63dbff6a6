"""Performance profiles: pure functions of times (problems, solvers)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

MOST = 100.0  # the area under a profile ends here: a hundred times the time of the fastest counts as nothing


def ratios(times: np.ndarray) -> np.ndarray:
    """t / min_s t (Dolan & More 2002), infinite where a solver never gets there, also if none does."""
    best = times.min(axis=1, keepdims=True)
    return np.divide(times, best, out=np.full(times.shape, np.inf), where=np.isfinite(times))


def shares(values: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """For each solver, the share of problems whose value is at most each bound: (solvers, bounds)."""
    return (values[:, :, None] <= bounds).mean(axis=0)


def wins(ratio: np.ndarray) -> np.ndarray:
    """The profile at tau = 1: (solvers,)."""
    return shares(ratio, np.array([1.0]))[:, 0]


def area(ratio: np.ndarray) -> np.ndarray:
    """The area under the profile over log tau from 1 to MOST, 1 for a solver that is always the fastest: (solvers,)."""
    return np.clip(1 - np.log(ratio) / np.log(MOST), 0, None).mean(axis=0)


def flips(
    times: np.ndarray, labels: list[str], score: Callable[[np.ndarray], np.ndarray]
) -> list[tuple[str, str, str]]:
    """(a, b, c): a scores above b, and below it once c is dropped (Gould & Scott 2016)."""
    full, found = score(ratios(times)), []
    for dropped in range(len(labels) if len(labels) > 2 else 0):
        rest = [k for k in range(len(labels)) if k != dropped]
        part = dict(zip(rest, score(ratios(times[:, rest])), strict=True))
        for i, j in combinations(rest, 2):
            before, after = round(full[i] - full[j], 12), round(part[i] - part[j], 12)  # equal but for rounding: equal
            if before * after < 0:
                a, b = (i, j) if before > 0 else (j, i)
                found.append((labels[a], labels[b], labels[dropped]))
    return found
