"""Two selections of runs, cell by cell: which is faster, by how much, and do they find the same?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from benchmarks.runner.statistics import CONFIDENCE

from ..data.repeats import DISTURBED, count_disturbed, groups, keys, last_rows, seconds_waited
from ..data.targets import GAP, times_to_target
from ..statistics.bootstrap import geometric_mean, ratio
from ..statistics.estimate import NOTHING, Estimate, estimate_censored, too_few
from ..statistics.scatter import median_error, t_quantile
from ..tables.costs import seconds_an_iteration
from ..tables.record import Table
from ..text import distinct
from .partners import KEY, partners
from .regressions import BETTER, SAME, THRESHOLD, UNDECIDED, WORSE, judge
from .selection import Sides

SIDE = {"": "median", " low": "low", " high": "high", " reached": "reached", " repeats": "repeats", " beyond": "beyond"}
NOT_COMPARED = f"undecided: {DISTURBED}"
ALONE = {
    **{(True, False): "only A gets there", (False, True): "only B gets there"},
    (False, False): "neither gets there",
}
VERDICTS = {WORSE: "slower", BETTER: "faster", SAME: "same", UNDECIDED: "undecided"}
TIME_LIMIT = "time limit"


QUANTITIES: dict[str, Callable[[pd.DataFrame, float], np.ndarray]] = {  # of the runs of a cell, and a gap
    "run": lambda cell, gap: last_rows(cell)["total_seconds"].to_numpy(float),
    "gap": lambda cell, gap: times_to_target(cell, "gap", gap).to_numpy(),
    "iteration": lambda cell, gap: seconds_an_iteration(cell)["cost"].to_numpy(float),
}


def compare(sides: Sides, *, quantities: Sequence[str] = tuple(QUANTITIES), gap: float = GAP) -> pd.DataFrame:
    """Each row pairs a case of A with the same case of B: the seconds of both (medians of the repeats), their ratio B /
    A with its 95 % interval, and a verdict. Faster and slower: by more than 5 %. Results agree where both ended with
    the same status and the same value."""
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
    marks = {"A disturbed": count_disturbed(a), "B disturbed": count_disturbed(b)}
    row = {"reason": reason, "runs": keys(pd.concat([a, b])), **marks}
    nothing = {"A": NOTHING, "B": NOTHING, **dict.fromkeys(("ratio", "low", "high", "error"), math.nan)}
    if reason:
        return row | nothing
    times = [QUANTITIES[quantity](cell, gap) for cell in (a, b)]
    found = [estimate_censored(own, seconds_waited(cell)) for own, cell in zip(times, (a, b), strict=True)]
    row |= nothing | {"A": found[0], "B": found[1]}
    arrived = tuple(math.isfinite(side.median) for side in found)
    if arrived != (True, True):
        return row | {"reason": ALONE[arrived]}
    if any(marks.values()):  # `load` leaves them out where it can
        return row | {"reason": NOT_COMPARED}
    middle, low, high = ratio(times[1], times[0])
    error = math.nan if math.isnan(low) else math.hypot(*(median_error(np.log(sample)) for sample in times))
    return row | {"ratio": middle, "low": low, "high": high, "error": error}


def incomparable(a: pd.DataFrame, b: pd.DataFrame, quantity: str) -> str:
    """Why the seconds of two cells say nothing about each other; empty where they do."""
    statuses = [set(cell["status"]) for cell in (a, b)]
    if any("error" in found for found in statuses):
        return "error"
    if quantity == "gap":
        return a["no_gap"].iloc[0] or b["no_gap"].iloc[0]
    if quantity == "iteration":
        return "" if all((last_rows(cell)["iteration"] > 0).all() for cell in (a, b)) else "no iteration"
    if statuses[0] != statuses[1]:
        return f"{distinct(statuses[0])} against {distinct(statuses[1])}"
    return "stopped by the clock" if TIME_LIMIT in statuses[0] else ""


def results(a: pd.DataFrame, b: pd.DataFrame, gap: float) -> dict:
    """Whether two cells found the same: status, iterations and final value (medians over repeats)."""
    ends = [last_rows(cell) for cell in (a, b)]
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
            far = reach(row.error, comparisons, row.A.repeats + row.B.repeats - 2)
            ends = (row.ratio * math.exp(-far), row.ratio * math.exp(far))
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


def reach(error: float, comparisons: int, freedom: int) -> float:
    """How far ln r may be off, of so many comparisons at once: t(1 - alpha / 2m, freedom) s."""
    return t_quantile(1 - (1 - CONFIDENCE) / (2 * comparisons), freedom) * error


def too_few_to_tell(*sides: Estimate) -> str:
    """undecided: 3 repeats are too few, 6 are needed. Empty where the repeats are enough and all got there."""
    reason = too_few(min(side.repeats for side in sides))
    if not reason and any(side.reached < side.repeats for side in sides):
        reason = "not all repeats get there"
    return f"{VERDICTS[UNDECIDED]}: {reason}" if reason else ""


def summaries(table: pd.DataFrame) -> pd.DataFrame:
    """Each row is a quantity: the geometric mean of the ratios B / A over all pairs with its 95 % interval, and how
    many pairs are faster, slower, the same, undecided or have no ratio."""
    rows = []
    for about, cell in groups(table, ["quantity", *(["machine"] if "machine" in table else [])]):
        known = cell["ratio"].dropna()
        middle, low, high = geometric_mean(known) if len(known) else (math.nan,) * 3
        count = cell["verdict"].str.split(":").str[0].value_counts()
        verdicts = {verdict: int(count.get(verdict, 0)) for verdict in VERDICTS.values()}
        differ = int((cell["results"] != "agree").sum())
        rows.append(
            about
            | {"pairs": len(cell), "ratios": len(known), "B / A": middle, "low": low, "high": high}
            | verdicts
            | {"no ratio": len(cell) - sum(verdicts.values()), "results differ": differ}
        )
    return pd.DataFrame(rows)


COMPARE, SUMMARY = Table("compare", compare), Table("compare-summary", summaries)
