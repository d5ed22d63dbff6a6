"""Many small test functions at once: who arrives on how many of CUTEst's problems, and where it does not, why."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from datasets import CUTEST

from ..data.provenance import Sources, keys
from ..data.statistics import endings, one_row_a_run
from ..data.targets import GAP
from ..page.page import Section
from ..page.write import caption, html_table, write_table

NAME, TITLE = "cutest", "CUTEst: who arrives, and where"
COLLECTED = {problem.name: problem.n for problem in CUTEST}  # problems without figures of their own


def collection_section(frame: pd.DataFrame, out: Path, behind: Sources | None = None) -> Section | None:
    """Both tables, also below `out`; None where none of these problems was run."""
    ends = arrivals(frame)
    if ends.empty:
        return None
    tables = ""
    for make, stem in ((arrived, NAME), (one_by_one, f"{NAME}-problems")):
        table = make(ends)
        write_table(table, caption(make), out / "tables" / stem, behind)
        tables += (f'<p class="soft">{caption(make)}</p>' if tables else "") + html_table(table, behind)
    return Section(NAME, TITLE, caption(arrived), tables, (), "")


def arrivals(frame: pd.DataFrame) -> pd.DataFrame:
    """The end of each run on one of these problems: `known` (is f* known), `lowest` (f*, or the lowest value of all
    runs), `arrived` (f - lowest <= 1e-6 (f(x0) - lowest)) and `at`, the iteration of that."""
    frame = frame[frame["problem"].isin(COLLECTED)].sort_values("iteration", kind="stable")
    if frame.empty:
        return frame
    several = frame["machine"].nunique() > 1
    frame = frame.assign(who=frame["label"] + (" on " + frame["machine"] if several else ""))
    known = frame["no_gap"] == ""
    lowest = frame["optimum"].where(known, frame.groupby("problem")["value"].transform("min"))
    start = frame.groupby("run")["value"].transform("first")
    there = frame["value"] - lowest <= GAP * (start - lowest)
    there &= known | (lowest < start)  # where nobody came below the start, nobody is known to have arrived
    at = frame["iteration"].where(there, np.inf).groupby(frame["run"]).min()
    last = one_row_a_run(frame.assign(known=known, lowest=lowest)).set_index("run", drop=False)
    return last.assign(at=at, arrived=np.isfinite(at))


def arrived(ends: pd.DataFrame) -> pd.DataFrame:
    """On how many of CUTEst's problems a solver came within 1e-6 (f(x0) - f*) of f*, of those where f* is known; and,
    where it is not, within as much of the lowest value that any of these runs found, which need not be a minimum. Then
    how its runs ended. A problem counts where more than half of the repeats arrived."""
    rows = []
    for who, cell in ends.groupby("who", sort=True):
        problems = cell.groupby("problem").agg(known=("known", "first"), arrived=("arrived", "mean"))
        there = problems["arrived"] > 0.5
        counts = Counter(cell["status"])
        rows.append(
            {"solver": who}
            | {
                words: f"{(there & kind).sum()} of {kind.sum()}"
                for words, kind in (("f* known", problems["known"]), ("f* not known", ~problems["known"]))
            }
            | {status: counts.get(status, 0) for status in sorted(set(ends["status"]))}
            | {"runs": keys(cell)}
        )
    return pd.DataFrame(rows)


def one_by_one(ends: pd.DataFrame) -> pd.DataFrame:
    """The iterations until a solver was as near as the table above asks (median over the repeats), or how it ended
    without being so. Lowest: f*, where it is known, and else the lowest value that any of these runs found."""
    rows = []
    for problem, cell in ends.groupby("problem", sort=True):
        first = cell.iloc[0]
        rows.append(
            {"problem": problem, "n": COLLECTED[problem], "lowest": first["lowest"]}
            | {"f*": "known" if first["known"] else "not known"}
            | {who: _cell(cell[cell["who"] == who]) for who in sorted(set(ends["who"]))}
            | {"runs": keys(cell)}
        )
    return pd.DataFrame(rows)


def _cell(runs: pd.DataFrame) -> str:
    if runs.empty:
        return "-"
    if runs["arrived"].mean() > 0.5:
        return f"{runs['at'].median():.0f}"
    return endings(runs)
