"""Two selections of runs, cell by cell: which is faster, by how much, and do they find the same?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from ..data.provenance import distinct, keys
from ..data.statistics import (
    BESIDE,
    CONFIDENCE,
    FEWEST,
    SEED,
    Estimate,
    disturbed,
    estimate_censored,
    one_row_a_run,
    waited,
)
from ..data.targets import GAP, time_to_target
from ..tables.claims import ratio, too_few
from ..tables.costs import seconds_an_iteration
from .commits import median_error
from .partners import KEY, partners
from .regressions import BETTER, INCONCLUSIVE, SAME, THRESHOLD, WORSE, judge, quantile
from .selection import Sides

SIDE = {"": "median", " low": "low", " high": "high", " reached": "reached", " repeats": "repeats", " beyond": "beyond"}
UNDECIDED = f"undecided: {BESIDE}"
VERDICTS = {WORSE: "slower", BETTER: "faster", SAME: "same", INCONCLUSIVE: "undecided"}
TIME_LIMIT = "time limit"


def whole_run(cell: pd.DataFrame, gap: float) -> np.ndarray:
    return one_row_a_run(cell)["total_seconds"].to_numpy(float)


def to_gap(cell: pd.DataFrame, gap: float) -> np.ndarray:
    runs = [run for _, run in cell.groupby("run", sort=False)]
    return np.array([time_to_target(run, "gap", gap) for run in runs])


def an_iteration(cell: pd.DataFrame, gap: float) -> np.ndarray:
    return seconds_an_iteration(cell)["cost"].to_numpy(float)


QUANTITIES: dict[str, Callable[[pd.DataFrame, float], np.ndarray]] = {
    **{"run": whole_run, "gap": to_gap, "iteration": an_iteration}
}


def compare(sides: Sides, *, quantities: Sequence[str] = tuple(QUANTITIES), gap: float = GAP) -> pd.DataFrame:
    """A against B, each cell paired with the one that agrees in everything else. Seconds are medians over repeats: of
    the whole run (where both ended for the same reason, and not by the clock), to the gap (relative to f(x0) - f*), of
    an iteration. The ratio is B / A with its 95 % bootstrap interval, from six repeats on. Faster and slower: the joint
    interval lies beyond 1 by more than 5 %; same: within it; else undecided, and where there is no interval it says
    why. Joint intervals hold all together with 95 % confidence (Bonferroni over the list) as far as repeats scatter: a
    machine in another mood moves all ratios alike. Where runs were measured beside other work, and not six others,
    there is no ratio, and the verdict is undecided. Results agree where both ended with the same status and with values
    that differ by at most the gap times f(x0)."""
    pairs, _ = partners(sides)
    rows = []
    for quantity in quantities:
        for key, *cells in pairs:
            known = {"quantity": quantity, **dict(zip(KEY, key, strict=True))}
            rows.append(known | timed(*cells, quantity, gap) | results(*cells, gap))
    if not rows:
        return pd.DataFrame()
    table = judged(pd.DataFrame(rows)).rename(columns={"plain_label": "label"})
    empty = {name for name in table if (table[name] == "").all()}  # of what partners need not share
    return table[[name for name in table if name not in empty | {"runs"}] + ["runs"]]


def timed(a: pd.DataFrame, b: pd.DataFrame, quantity: str, gap: float) -> dict:
    """Both medians with their intervals, and their ratio; why there is none, where there is none."""
    reason = incomparable(a, b, quantity)
    marks = {"A disturbed": disturbed(a), "B disturbed": disturbed(b)}
    row = {"reason": reason, "runs": keys(pd.concat([a, b])), **marks}
    if reason:
        nothing = Estimate(math.nan, math.nan, math.nan, 0, 0)
        return row | {
            "A": nothing,
            "B": nothing,
            "ratio": math.nan,
            "low": math.nan,
            "high": math.nan,
            "error": math.nan,
        }
    times = [QUANTITIES[quantity](cell, gap) for cell in (a, b)]
    found = [
        estimate_censored(sample, [waited(run) for _, run in cell.groupby("run", sort=False)])
        for sample, cell in zip(times, (a, b), strict=True)
    ]
    arrived = [math.isfinite(side.median) for side in found]
    if not all(arrived):
        row["reason"] = {(True, False): "only A gets there", (False, True): "only B gets there"}.get(
            tuple(arrived), "neither gets there"
        )
        middle, low, high = math.nan, math.nan, math.nan
    elif any(marks.values()):  # `load` leaves them out where it can
        row["reason"], middle, low, high = UNDECIDED, math.nan, math.nan, math.nan
    else:
        middle, low, high = ratio(times[1], times[0])
    error = math.nan if math.isnan(low) else math.hypot(*(median_error(np.log(sample)) for sample in times))
    return row | {"A": found[0], "B": found[1], "ratio": middle, "low": low, "high": high, "error": error}


def incomparable(a: pd.DataFrame, b: pd.DataFrame, quantity: str) -> str:
    """Why the seconds of two cells say nothing about each other; empty where they do."""
    statuses = [set(cell["status"]) for cell in (a, b)]
    if any("error" in found for found in statuses):
        return "error"
    if quantity == "gap":
        return a["no_gap"].iloc[0] or b["no_gap"].iloc[0]
    if quantity == "iteration":
        return "" if all((one_row_a_run(cell)["iteration"] > 0).all() for cell in (a, b)) else "no iteration"
    if statuses[0] != statuses[1]:
        return f"{distinct(statuses[0])} against {distinct(statuses[1])}"
    return "stopped by the clock" if TIME_LIMIT in statuses[0] else ""


def results(a: pd.DataFrame, b: pd.DataFrame, gap: float) -> dict:
    """Whether two cells found the same: status, iterations and final value (medians over repeats)."""
    ends = [one_row_a_run(cell) for cell in (a, b)]
    statuses = [distinct(end["status"]) for end in ends]
    values = [float(end["value"].median()) for end in ends]
    iterations = [float(end["iteration"].median()) for end in ends]
    off = abs(values[0] - values[1])
    start = float(a.loc[a["iteration"] == 0, "value"].abs().median())
    differ = []
    if statuses[0] != statuses[1]:
        differ.append(f"{statuses[0]} against {statuses[1]}")
    if not off <= gap * start and values[0] != values[1]:  # two that diverged to infinity agree, NaN with nothing
        differ.append(f"values differ by {off:.2g}")
    return {
        **{"iterations A": iterations[0], "iterations B": iterations[1]},
        **{"results": "; ".join(differ) or "agree", "difference": off},
    }


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """With the joint interval and the verdict of each row: r exp(+- t(1 - alpha / 2m, n_A + n_B - 2) s), alpha = 5 %,
    m ratios with an interval, s the standard error of ln r. A bootstrap does not reach as far into the tails."""
    comparisons = int(table["error"].notna().sum())
    joint, verdicts = [], []
    for row in table.itertuples():
        if math.isnan(row.error):
            ends = (math.nan, math.nan)
        else:
            reach = quantile(1 - (1 - CONFIDENCE) / (2 * comparisons), row.A.repeats + row.B.repeats - 2) * row.error
            ends = (row.ratio * math.exp(-reach), row.ratio * math.exp(reach))
        joint.append(ends)
        verdicts.append(row.reason or too_few_to_tell(row.A, row.B) or VERDICTS[judge(*ends, THRESHOLD)])
    sides = {
        f"{name}{suffix}": [getattr(found, field) for found in table[name]]
        for name in ("A", "B")
        for suffix, field in SIDE.items()
    }
    low, high = zip(*joint, strict=True)
    return table.drop(columns=["A", "B", "error", "reason"]).assign(
        **sides, **{"joint low": low, "joint high": high, "verdict": verdicts}
    )


def too_few_to_tell(*sides: Estimate) -> str:
    """undecided: 3 repeats are too few, 6 are needed. Empty where the repeats are enough and all got there."""
    reason = too_few(min(side.repeats for side in sides))
    if not reason and any(side.reached < side.repeats for side in sides):
        reason = "not all repeats get there"
    return f"{VERDICTS[INCONCLUSIVE]}: {reason}" if reason else ""


def geometric_mean(ratios: Sequence[float]) -> tuple[float, float, float]:
    """exp(mean(ln r)) with its 95 % bootstrap interval over the pairs; NaN for fewer than six."""
    logs = np.log(np.asarray(ratios, dtype=float))
    middle = float(np.exp(logs.mean()))
    if len(logs) < FEWEST or np.ptp(logs) == 0:
        return middle, math.nan, math.nan
    found = bootstrap(
        (logs,), np.mean, confidence_level=CONFIDENCE, n_resamples=2000, method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval  # fmt: skip
    return middle, math.exp(found.low), math.exp(found.high)


def summaries(table: pd.DataFrame) -> pd.DataFrame:
    """The ratios B / A of each quantity together, machine by machine: their geometric mean (95 % bootstrap interval
    over the pairs; NaN for fewer than six), and how many pairs are faster, slower, the same, undecided or have no
    ratio. Pairs of one problem are alike: the interval is of these cells, not of others."""
    rows = []
    by = ["quantity", *(["machine"] if "machine" in table else [])]
    for key, cell in table.groupby(by, sort=False):
        known = cell["ratio"].dropna()
        middle, low, high = geometric_mean(known) if len(known) else (math.nan,) * 3
        count = cell["verdict"].str.split(":").str[0].value_counts()
        decided = sum(int(count.get(verdict, 0)) for verdict in VERDICTS.values())
        rows.append(
            dict(zip(by, key, strict=True))
            | {"pairs": len(cell), "ratios": len(known), "B / A": middle, "low": low, "high": high}
            | {verdict: int(count.get(verdict, 0)) for verdict in VERDICTS.values()}
            | {"no ratio": len(cell) - decided, "results differ": int((cell["results"] != "agree").sum())}
        )
    return pd.DataFrame(rows)
