"""Regressions: what became slower, larger or needs more iterations from commit to commit, and since a baseline."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.runner.statistics import CONFIDENCE, FEWEST

from ..statistics.scatter import robust_scale, t_quantile
from ..tables.record import Table
from .commits import SERIES, Measured, all_series, baseline_place, commit_places

THRESHOLD = 0.05  # a change below 5 % is not worth a line
EXACT = {"iterations"}  # deterministic: any difference is a change
SCATTER_OF_ALL, SCATTER_OF_ONE = 10, 8  # consecutive ratios that are enough to say how far they scatter by themselves
POOL = ["machine", "host", "environment", "quantity"]  # whose series scatter alike
WORSE, BETTER, SAME, UNDECIDED = "worse", "better", "same", "undecided"
COLUMNS = [
    *("verdict", "against", "commit", "date", "kind", "benchmark", "parameters", "quantity"),
    *("before", "after", "unit", "ratio", "low", "high", "typical", "remark"),
    *("host", "machine", "environment", "place"),
]


class Pair(NamedTuple):
    """Two commits of one series to be compared."""

    kind: str  # step: with the previous one; drift: with the baseline
    series: tuple
    before: Measured
    after: Measured


def regressions(
    frame: pd.DataFrame, *, baseline: str | None = None, threshold: float = THRESHOLD, history: Sequence[str] = ()
) -> pd.DataFrame:
    """Each row compares a cell at two commits: the ratio after / before with its interval. A step compares with the
    commit before, drift with the baseline. Worse and better: the interval lies beyond 1 by more than the threshold; all
    intervals hold together with 95 % confidence. Typical: the median ratio of all cells between these commits."""
    # ln r = ln m_after - ln m_before;  r exp(+- t(1 - alpha / 2m, n_1 + n_2 - 2) s), alpha = 5 %, m comparisons;
    # s = max(sqrt(s_1^2 + s_2^2), scatter), s_i the error of a median: a formula and not resamples, which do not
    # reach as far into the tails as so many comparisons ask for;
    # scatter = 1.4826 median |d - median d| over the d = ln r of steps: few commits change much, and those that change
    # all alike move the median of d and not the scatter.
    frame = frame[frame["source"] == "asv"]
    series = all_series(frame, history)
    start = baseline_place(commit_places(frame, history), baseline)
    pairs = [pair for key, cells in series.items() for pair in compared(key, cells, start)]
    scatter = scatters(pairs)
    sampled = sum(pair.after.status == "ok" and _quantity(pair) not in EXACT for pair in pairs)
    rows = [_row(pair, scatter.get(pair.series, (0.0, 0)), sampled, threshold) for pair in pairs]
    table = pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(("ratio", "low", "high"), float))
    finite = table[np.isfinite(table["ratio"]) & ~table["quantity"].isin(EXACT)]
    together = ["kind", "host", "machine", "environment", "quantity", "against", "commit"]
    ratios = finite.groupby(together, dropna=False)["ratio"]
    typical = ratios.median().where(ratios.size() >= FEWEST).rename("typical")
    table = table.drop(columns="typical").join(typical, on=together)
    rank = table["verdict"].map({WORSE: 0, BETTER: 1, UNDECIDED: 2, SAME: 3})
    table = table.assign(rank=rank).sort_values(
        ["rank", "place", "kind", "ratio"], ascending=[True, True, False, False]
    )
    return table[COLUMNS].reset_index(drop=True)


def compared(series: tuple, cells: Sequence[Measured], start: int) -> Iterator[Pair]:
    """Steps and drift of one series; the baseline is at the place `start`, or the first with a value after it.

    What fails, or declines, is a step where it begins to, and drift for as long as it goes on.
    """
    last, base = None, None
    for k, cell in enumerate(cells):
        if cell.status == "ok":
            if last is not None:
                yield Pair("step", series, last, cell)
            if base is not None and base is not last:  # else it is the step
                yield Pair("drift", series, base, cell)
            last = cell
            if base is None and cell.place >= start:
                base = cell
        elif last is not None:
            if cells[k - 1] is last:
                yield Pair("step", series, last, cell)
            if base is not None and not (base is last and cells[k - 1] is last):
                yield Pair("drift", series, base, cell)


def scatters(pairs: Sequence[Pair]) -> dict[tuple, tuple[float, int]]:
    """By how much ln r scatters from step to step, for each series: its own or its pool's, whichever is larger.

    And how many steps say so; series are left out where too few do.
    """
    steps: dict[tuple, list[float]] = {}
    for pair in pairs:
        if pair.kind == "step" and pair.after.status == "ok" and _positive(pair):
            d = math.log(pair.after.value / pair.before.value)
            steps.setdefault(_pool(pair), []).append(d)
            steps.setdefault(pair.series, []).append(d)
    scales = {key: (robust_scale(d), len(d)) for key, d in steps.items()}
    found = {}
    for pair in pairs:
        enough = ((_pool(pair), SCATTER_OF_ALL), (pair.series, SCATTER_OF_ONE))
        known = [scales[key] for key, least in enough if key in scales and scales[key][1] >= least]
        if known:
            found[pair.series] = max(known)
    return found


def judge(low: float, high: float, threshold: float) -> str:
    """The verdict on a ratio that lies between low and high, or NaN; as strict for better as for worse."""
    if low > 1 + threshold:
        return WORSE
    if high < 1 / (1 + threshold):
        return BETTER
    return SAME if low >= 1 / (1 + threshold) and high <= 1 + threshold else UNDECIDED


def interval(pair: Pair, scatter: tuple[float, int], comparisons: int) -> tuple[float, float, float]:
    """after / before, and the two ends that hold with 1 - 5 % / comparisons; NaN where samples are too few."""
    if not _positive(pair):
        alike = pair.before.value == pair.after.value
        ratio = 1.0 if alike else math.inf if pair.after.value > pair.before.value else 0.0
        return ratio, ratio, ratio
    ratio = pair.after.value / pair.before.value
    if _quantity(pair) in EXACT:
        return ratio, ratio, ratio
    error = max(math.hypot(pair.before.error, pair.after.error), scatter[0])
    samples = pair.before.samples + pair.after.samples - 2 or scatter[1] - 1  # of single observations: the steps
    if math.isnan(pair.before.error + pair.after.error):
        return ratio, math.nan, math.nan
    reach = error * t_quantile(1 - (1 - CONFIDENCE) / (2 * comparisons), samples) if error else 0.0
    return ratio, ratio * math.exp(-reach), ratio * math.exp(reach)


def _row(pair: Pair, scatter: tuple[float, int], comparisons: int, threshold: float) -> dict:
    before, after = pair.before, pair.after
    about = dict(zip(SERIES, pair.series, strict=True)) | {
        "kind": pair.kind,
        "against": before.commit,
        "commit": after.commit,
        "date": after.date,
        "place": after.place,
        "before": before.value,
        "after": after.value,
        "typical": math.nan,
        "remark": "",
    }
    if after.status != "ok":
        why = "fails" if after.status == "failed" else "n/a: declined or not reached"
        nothing = {"ratio": math.inf, "low": math.nan, "high": math.nan}
        return about | nothing | {"verdict": WORSE, "remark": f"had a value, now {why}"}
    ratio, low, high = interval(pair, scatter, comparisons)
    exact = _quantity(pair) in EXACT
    remark = f"fewer than {FEWEST} samples" if math.isnan(low) else "exact" if exact else ""
    verdict = judge(low, high, 0.0 if exact else threshold)
    return about | {"ratio": ratio, "low": low, "high": high, "verdict": verdict, "remark": remark}


def _positive(pair: Pair) -> bool:
    return all(0 < value < math.inf for value in (pair.before.value, pair.after.value))


def _quantity(pair: Pair) -> str:
    return pair.series[SERIES.index("quantity")]


def _pool(pair: Pair) -> tuple:
    return tuple(pair.series[SERIES.index(name)] for name in POOL)


def changes(table: pd.DataFrame) -> pd.DataFrame:
    """The rows to look at: what a step changed, and of the drift the newest commit of each cell."""
    return table[table["verdict"].isin([WORSE, BETTER]) & ((table["kind"] == "step") | newest(table))]


def worse_now(table: pd.DataFrame) -> bool:
    """Whether the newest commit is worse than the one before it or than the baseline; what was repaired is not."""
    return bool(((table["verdict"] == WORSE) & newest(table)).any())


def newest(table: pd.DataFrame) -> pd.Series:
    """Which rows are of the newest commit of their cell."""
    cell = ["benchmark", "parameters", "quantity", "host", "machine", "environment"]
    return table["place"] == table.groupby(cell, dropna=False)["place"].transform("max")


REGRESSIONS = Table("regressions", regressions)
