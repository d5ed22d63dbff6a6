"""An A/A test: a selection compared with itself, to see what the rule of `compare` makes of noise alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.runner.statistics import FEWEST, SEED

from ..data.repeats import DISTURBED, count_disturbed
from ..data.targets import GAP
from ..statistics.scatter import median_error
from ..tables.record import Table
from ..text import plural
from .compare import QUANTITIES, incomparable, reach
from .partners import KEY, partners
from .regressions import BETTER, THRESHOLD, WORSE, judge
from .selection import Sides

SPLITS = 200
NEEDED = 2 * FEWEST  # repeats: half of them must be enough for a verdict
TOO_FEW = f"fewer than {NEEDED} repeats"


class Null(NamedTuple):
    """cases: a row a case. lists: the share of splits in which any case is called different. left_out: why -> how many
    cases have no part. most: the largest number of repeats of a case."""

    cases: pd.DataFrame
    lists: float
    left_out: dict[str, int]
    most: int


def null_test(
    sides: Sides, *, quantities: Sequence[str] = tuple(QUANTITIES), gap: float = GAP, splits: int = SPLITS
) -> Null:
    """The A/A test of a selection: both sides of `sides` are the same."""
    found, left_out, most = [], {}, 0
    for about, times, reason in samples(sides, quantities, gap):
        most = max(most, len(times))
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            found.append((about, times))
    rng = np.random.default_rng(SEED)
    halves = [split(times, rng, splits) for _, times in found]
    called = np.array([different(*pair, len(found)) for pair in halves]).reshape(len(found), splits)
    rows = [
        about | {"repeats": len(times)} | case(times, *pair, len(found)) | {"different": float(own.mean())}
        for (about, times), pair, own in zip(found, halves, called, strict=True)
    ]
    return Null(pd.DataFrame(rows), float(called.any(axis=0).mean()) if found else math.nan, left_out, most)


def null_cases(sides: Sides, **options) -> pd.DataFrame:
    """Each row is a case whose repeats were split at random into two halves, many times: the share of splits in which
    compare's rule calls the halves different, the relative spread of their ratio (95 % of the splits lie within), and
    the smallest slowdown that a comparison with as many repeats again would call slower in about half of all tries."""
    return null_test(sides, **options).cases


def samples(sides: Sides, quantities: Sequence[str], gap: float) -> Iterator[tuple[dict, np.ndarray, str]]:
    """Of each case and quantity the seconds of its repeats, and why they cannot be split; empty where they can."""
    cells = partners(sides)[0]
    for quantity in quantities:
        for key, cell, _ in cells:
            reason = incomparable(cell, cell, quantity) or (DISTURBED if count_disturbed(cell) else "")
            times = np.empty(0) if reason else QUANTITIES[quantity](cell, gap)
            if not reason and not np.isfinite(times).all():
                reason = "not all repeats get there"
            if not reason and len(times) < NEEDED:
                reason = TOO_FEW
            yield {"quantity": quantity, **dict(zip(KEY, key, strict=True))}, times, reason


def split(times: np.ndarray, rng: np.random.Generator, splits: int) -> tuple[np.ndarray, np.ndarray]:
    """Halves of equal size, at random: two arrays (splits, n // 2); of an odd number one repeat is left out."""
    half = len(times) // 2
    drawn = rng.permuted(np.tile(times, (splits, 1)), axis=1)
    return drawn[:, :half], drawn[:, half : 2 * half]


def different(a: np.ndarray, b: np.ndarray, comparisons: int) -> np.ndarray:
    """Whether compare's rule calls two samples slower or faster, as one of so many comparisons, row by row."""
    ratios = np.median(b, axis=1) / np.median(a, axis=1)
    far = [reach(error(x, y), comparisons, len(x) + len(y) - 2) for x, y in zip(a, b, strict=True)]
    verdicts = [judge(r * math.exp(-w), r * math.exp(w), THRESHOLD) for r, w in zip(ratios, far, strict=True)]
    return np.array([verdict in (WORSE, BETTER) for verdict in verdicts])


def error(a: np.ndarray, b: np.ndarray) -> float:
    """The standard error of ln(median b / median a)."""
    return math.hypot(*(median_error(np.log(sample)) for sample in (a, b)))


def case(times: np.ndarray, a: np.ndarray, b: np.ndarray, comparisons: int) -> dict[str, float]:
    """spread: 95 % of |ln r| lie below ln(1 + spread). detectable: r - 1 where r exp(-t s) = 1 + threshold."""
    logs = np.abs(np.log(np.median(b, axis=1) / np.median(a, axis=1)))
    wide = reach(error(times, times), comparisons, 2 * len(times) - 2)
    return {
        "spread": float(np.expm1(np.quantile(logs, 0.95))),
        "detectable": (1 + THRESHOLD) * math.exp(wide) - 1,
    }


def null_lines(null: Null, splits: int = SPLITS) -> list[str]:
    """What the test found, in sentences; of one that has cases."""
    why = "; ".join(f"{plural(count, 'case')}: {reason}" for reason, count in sorted(null.left_out.items()))
    share = _share(null.cases["different"].mean())
    lines = [
        f"{plural(len(null.cases), 'case')}, each split into halves {splits} times: {share} of the verdicts are slower "
        f"or faster, and {_share(null.lists)} of the lists have such a verdict (the rule allows 5 %)"
    ]
    for quantity, rows in null.cases.groupby("quantity", sort=False):
        spread, least = rows["spread"], rows["detectable"]
        lines.append(
            f"{quantity}: 95 % of the ratios of halves lie within {_share(spread.median())} of 1 (median case; "
            f"{_share(spread.max())} in the worst); the smallest slowdown that could be detected with as many repeats "
            f"again is {_share(least.median())} (worst case {_share(least.max())})"
        )
    return lines + ([f"left out: {why}"] if why else [])


def nothing_to_split(null: Null) -> str:
    """Why no case can be split, in one sentence."""
    if TOO_FEW in null.left_out:
        return (
            f"--null splits the repeats of a case into two halves of {FEWEST}: {NEEDED} repeats are needed, the most "
            f"there are is {null.most}; measure with --repeats {NEEDED}"
        )
    return f"no case can be split: {'; '.join(sorted(null.left_out)) or 'there are none'}"


def _share(value: float) -> str:
    return f"{100 * value:.2g} %" if value < 1 else f"{100 * value:.0f} %"


NULL = Table("compare-null", null_cases)
