"""Medians, bootstrap intervals and censored times: pure functions of numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from solvers.common.names import library

CONFIDENCE = 0.95
SEED = 20260101  # of every bootstrap: the same runs give the same intervals
BESIDE = "measured beside other work"
FEWEST = 6  # with five, even the interval from the least to the largest covers the median in only 94 % of cases
CELL = ["machine", "problem", "solver", "label", "dtype", "device", "threads"]  # what repeats have in common


LIMITS = {"time limit", "iteration limit"}  # set from outside: behind them a run might have gone on to its target


@dataclass(frozen=True)
class Estimate:
    """A median over repeats with its 95 % interval (NaN for fewer than six); `reached` of `repeats` got there.

    Where those that did not get there leave the median open it is infinite, and `beyond` is a lower bound of it:
    infinite too where so many ended by themselves that no longer wait would have brought half of them there.
    """

    median: float
    low: float
    high: float
    reached: int
    repeats: int
    beyond: float = math.nan


def estimate(values: Sequence[float]) -> Estimate:
    """The median and its bootstrap interval (percentile method, scipy.stats.bootstrap)."""
    sample = np.asarray(values, dtype=float)
    median = float(np.median(sample))
    if len(sample) < FEWEST:
        return Estimate(median, math.nan, math.nan, len(sample), len(sample))
    if np.ptp(sample) == 0:
        return Estimate(median, median, median, len(sample), len(sample))
    rng = np.random.default_rng(SEED)
    interval = bootstrap(
        (sample,), np.median, confidence_level=CONFIDENCE, n_resamples=2000, method="percentile", rng=rng
    ).confidence_interval
    return Estimate(median, float(interval.low), float(interval.high), len(sample), len(sample))


def estimate_censored(times: Sequence[float], waited: Sequence[float]) -> Estimate:
    """The same for times of which some are infinite: right-censored after the time that was waited.

    The median grows with each of the times, so that of the times with what was waited in the place of the infinite
    ones is a lower bound of it. waited: infinite for a run that ended by itself, and so never gets there.
    """
    sample = np.asarray(times, dtype=float)
    reached = np.isfinite(sample)
    if reached.all():
        return estimate(sample)
    median = float(np.median(sample))
    beyond = float(np.median(np.where(reached, sample, np.asarray(waited, dtype=float))))
    return Estimate(
        median=median if median == beyond else math.inf,  # a repeat that waited less than the others got there sooner
        low=math.nan,
        high=math.nan,
        reached=int(reached.sum()),
        repeats=len(sample),
        beyond=beyond,
    )


def waited(run: pd.DataFrame) -> float:
    """Seconds after which a limit stopped a run; infinite where it ended by itself, for more time would not help it."""
    end = run.iloc[0]
    return float(end["total_seconds"]) if end["status"] in LIMITS else math.inf


def disturbed(frame: pd.DataFrame) -> int:
    """How many of the runs were measured beside other work; of older runs that is not known, and they do not count."""
    if "disturbed" not in frame:
        return 0
    return int(frame.loc[frame["disturbed"].eq(True), "run"].nunique())


def marked(text: str, frame: pd.DataFrame) -> str:
    """A time in a table cell, with a mark where some of the runs behind it were measured beside other work."""
    runs = disturbed(frame)
    return f"{text} ({runs} of {frame['run'].nunique()} disturbed)" if runs else text


def one_row_a_run(frame: pd.DataFrame) -> pd.DataFrame:
    """The last iterate of every run."""
    return frame.loc[frame.groupby("run")["iteration"].idxmax()]


def ended(row: pd.Series) -> str:
    """The status of a run in words; what a method of another library says of itself is marked as its claim."""
    claim = row["status"] == "converged" and library(row["solver"])
    return "converged (its claim)" if claim else str(row["status"])


def endings(last: pd.DataFrame) -> str:
    """How the repeats of a case ended, from their last rows: one status, or each with its count."""
    counts = Counter(ended(row) for _, row in last.iterrows())
    if len(counts) == 1:
        return next(iter(counts))
    order = sorted(counts, key=lambda status: (-counts[status], status))
    return ", ".join(f"{status} ({counts[status]} of {len(last)})" for status in order)


def seconds(value: float) -> str:
    """A time with three digits and the unit that suits it."""
    if not math.isfinite(value):
        return "never"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= 0.9995 * size:
            return f"{value / size:#.3g}".rstrip(".") + f" {unit}"
    return f"{value / 1e-6:.3g} us"


def rounded_down(value: float) -> float:
    """To three digits, as `seconds` shows them: a bound from below must not be rounded up."""
    if not 0 < value < math.inf:
        return value
    digit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.floor(value / digit * (1 + 1e-12)) * digit


def show(found: Estimate) -> str:
    """An estimate in a table cell: `1.23 ms [1.20, 1.31]`; where it was not reached `> 5.00 s`, or `never`."""
    if math.isnan(found.median):
        return "-"
    if math.isinf(found.median):
        share = f" ({found.reached} of {found.repeats} got there)" if found.reached else ""
        return ("never" if math.isinf(found.beyond) else f"> {seconds(rounded_down(found.beyond))}") + share
    if math.isnan(found.low):
        share = f", {found.reached} of {found.repeats}" if found.reached < found.repeats else f", n = {found.repeats}"
        return f"{seconds(found.median)} (no interval{share})"
    text = seconds(found.median)
    unit = {"s": 1.0, "ms": 1e-3, "us": 1e-6}[text.split()[1]]
    low, high = (f"{x:.3g}" if x < 999.5 else f"{x:.0f}" for x in (found.low / unit, found.high / unit))
    return f"{text} [{low}, {high}]"


def varying(table: pd.DataFrame) -> pd.DataFrame:
    """Without those columns of device and threads that say the same in every row; captions of the page name them."""
    constant = [c for c in ("machine", "device", "threads") if c in table and table[c].nunique() == 1]
    return table.drop(columns=[*constant, *(c for c in ("solver",) if c in table)]).rename(columns={"label": "solver"})
