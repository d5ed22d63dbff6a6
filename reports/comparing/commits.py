"""asv's cells from commit to commit: the commits in their order, and each value with its standard error."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.runner.statistics import FEWEST

from ..data.measurements import DIGITS
from ..statistics.scatter import median_error

SERIES = ["machine", "host", "environment", "threads", "benchmark", "version", "parameters", "quantity", "unit"]


class Row(NamedTuple):
    """What is read of a row of `measurements` in addition to its series; None where the frame has nothing."""

    commit: str
    date: str | None
    statistic: str
    value: float | None
    low: float | None
    high: float | None
    samples: int | None
    status: str


class Measured(NamedTuple):
    """A cell at a commit: its value, the standard error of log(value), and the number of samples behind both.

    error is NaN where there are too few samples, and 0 for a single observation (memory, a tracked number).
    """

    place: int
    commit: str
    date: str | None
    value: float
    error: float
    samples: int
    status: str


def all_series(frame: pd.DataFrame, history: Sequence[str] = ()) -> dict[tuple, list[Measured]]:
    """Each cell's measurements, oldest commit first: as in `history`, or by date where that lacks a commit."""
    places = commit_places(frame, history)
    cells: dict[tuple, dict[str, list[Row]]] = {}
    columns = [*SERIES, *Row._fields]
    for values in frame[columns].astype(object).where(frame[columns].notna(), None).itertuples(index=False, name=None):
        key, row = values[: len(SERIES)], Row(*values[len(SERIES) :])
        cells.setdefault(key, {}).setdefault(row.commit, []).append(row)
    order = sorted(cells, key=str)
    return {key: sorted(measured(rows, places[commit]) for commit, rows in cells[key].items()) for key in order}


def commit_places(frame: pd.DataFrame, history: Sequence[str] = ()) -> dict[str, int]:
    """The place of each commit in time."""
    dates = frame.groupby("commit")["date"].min()
    known = {commit[:DIGITS]: place for place, commit in enumerate(history)}
    if set(dates.index) <= set(known):
        order = sorted(dates.index, key=known.__getitem__)
    else:
        order = [commit for _, commit in sorted((date, commit) for commit, date in dates.items())]
    return {commit: place for place, commit in enumerate(order)}


def baseline_place(places: dict[str, int], baseline: str | None) -> int:
    """Where a baseline is; a ValueError where no measured commit, or more than one, begins with its name."""
    if baseline is None:
        return 0
    found = [commit for commit in places if commit.startswith(baseline[:DIGITS])]
    if len(found) != 1:
        measured_ones = ", ".join(sorted(places, key=places.__getitem__))
        raise ValueError(f"{len(found)} measured commits begin with {baseline!r}: name one of {measured_ones}")
    return places[found[0]]


def git_history(folder: Path) -> list[str]:
    """The commits of the repository that a folder is in, parents before children; none outside of git.

    Commits of one rebase share their date to the second: dates alone would put them in any order.
    """
    command = ["git", "-C", str(folder), "rev-list", "--all", "HEAD", "--date-order", "--reverse"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        return []


def measured(rows: Sequence[Row], place: int) -> Measured:
    """A cell at a commit, from its samples, or from asv's interval where they were not recorded.

    asv's 99 % interval of the median is +- 2.58 standard errors.
    """
    medians = [row for row in rows if row.statistic == "median"]
    values = [row.value for row in rows if row.statistic == "value"]
    main = (medians or rows)[0]
    value, samples, error = math.nan if main.value is None else main.value, 1, 0.0
    if medians:
        samples = len(values) or main.samples or 0
        error = math.nan
        if values and samples >= FEWEST and min(values) > 0:
            value, error = float(np.median(values)), median_error(np.log(values))
        elif not values and samples >= FEWEST and main.low is not None and main.low > 0:
            error = math.log(main.high / main.low) / (2 * stats.norm.ppf(0.995))
    return Measured(place, main.commit, main.date, value, error, samples, main.status)
