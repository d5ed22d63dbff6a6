"""Which setting matters: the precision, and the number of threads."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from ..data.repeats import keys
from ..tables.costs import seconds_an_iteration
from ..text import plural
from .finding import MATTERS, Finding


def paired(frame: pd.DataFrame, column: str, one: object, other: object) -> pd.DataFrame:
    """Cases that differ in one column alone and were not disturbed: their name, the time of an iteration with the one
    as a multiple of that with the other, and the runs of both."""
    same = [name for name in ("problem", "label", "dtype", "device", "threads", "rules") if name != column]
    costs = seconds_an_iteration(frame)
    if "disturbed" in costs:
        costs = costs[~costs["disturbed"].eq(True)]
    rows = []
    for (problem, label, *_), cell in costs.groupby(same, sort=False):
        a, b = (cell[cell[column] == value] for value in (one, other))
        times = [float(side["cost"].median()) for side in (a, b)]
        if all(0 < time < math.inf for time in times):
            rows.append((f"{label} on {problem}", times[0] / times[1], keys(pd.concat([a, b]))))
    return pd.DataFrame(rows, columns=["case", "ratio", "runs"])


def setting(frame: pd.DataFrame, column: str, one: object, other: object, words: str) -> Iterator[Finding]:
    """How many times as long an iteration takes with the one, over all cases that were run with both."""
    pairs = paired(frame, column, one, other)
    if pairs.empty:
        return
    middle = float(pairs["ratio"].median())
    low, high = (pairs.loc[at] for at in (pairs["ratio"].idxmin(), pairs["ratio"].idxmax()))
    yield Finding(
        MATTERS,
        abs(math.log10(middle)),
        f"{words}, an iteration takes {middle:.3g} times as long",
        f"This is the median over {plural(len(pairs), 'case')} that were run both ways, from {low['ratio']:.3g} "
        f"({low['case']}) to {high['ratio']:.3g} ({high['case']}).",
        tuple(key for runs in pairs["runs"] for key in runs),
    )


def precision(frame: pd.DataFrame) -> Iterator[Finding]:
    yield from setting(frame, "dtype", "float32", "float64", "In float32 instead of float64")


def threads(frame: pd.DataFrame) -> Iterator[Finding]:
    yield from setting(frame, "threads", 2, 1, "With two threads instead of one")
