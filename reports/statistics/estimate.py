"""A median over repeats with its interval, also where some of them never reached the target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.runner.statistics import FEWEST, bootstrap, medians

from ..text import UNITS, plural, rounded_down, seconds


@dataclass(frozen=True)
class Estimate:
    """A median over repeats with its 95 % interval (NaN for fewer than six); `reached` of `repeats` got to the target.

    Where those that did not leave the median open it is infinite, and `beyond` is a lower bound of it: infinite too
    where so many ended by themselves that no longer limit would have brought half of them there.
    """

    median: float
    low: float
    high: float
    reached: int
    repeats: int
    beyond: float = math.nan


NOTHING = Estimate(math.nan, math.nan, math.nan, 0, 0)


def estimate(values: Sequence[float]) -> Estimate:
    """The median and its percentile bootstrap interval."""
    sample = np.asarray(values, dtype=float)
    return Estimate(float(np.median(sample)), *bootstrap(medians, sample), len(sample), len(sample))


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


def too_few(repeats: int) -> str:
    """Why so many repeats decide nothing; empty where they are enough."""
    be = "is" if repeats == 1 else "are"
    return f"{plural(repeats, 'repeat')} {be} too few, {FEWEST} are needed" if repeats < FEWEST else ""


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
    unit = UNITS[text.split()[1]]
    low, high = (f"{x:.3g}" if x < 999.5 else f"{x:.0f}" for x in (found.low / unit, found.high / unit))
    return f"{text} [{low}, {high}]"
