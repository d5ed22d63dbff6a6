"""Many small test functions at once: how many of CUTEst's problems each solver solves."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from datasets import CUTEST

from ..data.repeats import endings, keys, last_rows
from ..data.targets import GAP
from ..page.section import Section, SectionWriter
from ..page.sources import Sources
from ..tables.record import Table

NAME, TITLE = "cutest", "CUTEst: problems solved"
COLLECTED = {problem.name: problem.n for problem in CUTEST}  # problems without figures of their own


def collection_section(frame: pd.DataFrame, out: Path, sources: Sources | None = None) -> Section | None:
    """Both tables; None where none of these problems was run."""
    ends = solved_runs(frame)
    if ends.empty:
        return None
    writer = SectionWriter(NAME, TITLE, out, sources)
    for record in (SOLVED, BY_PROBLEM):
        writer.table(record, record.make(ends))
    return writer.section()


def solved_runs(frame: pd.DataFrame) -> pd.DataFrame:
    """The end of each run on one of these problems: `known` (is f* known), `lowest` (f*, or the lowest value of all
    runs), `solved` (f - lowest <= 1e-6 (f(x0) - lowest)) and `at`, the iteration of that."""
    frame = frame[frame["problem"].isin(COLLECTED)].sort_values("iteration", kind="stable")
    if frame.empty:
        return frame
    several = frame["machine"].nunique() > 1
    frame = frame.assign(column=frame["label"] + (" on " + frame["machine"] if several else ""))
    known = frame["no_gap"] == ""
    lowest = frame["optimum"].where(known, frame.groupby("problem")["value"].transform("min"))
    start = frame.groupby("run")["value"].transform("first")
    there = frame["value"] - lowest <= GAP * (start - lowest)
    there &= known | (lowest < start)  # where no run came below the start, none is known to have solved it
    at = frame["iteration"].where(there, np.inf).groupby(frame["run"]).min()
    last = last_rows(frame.assign(known=known, lowest=lowest)).set_index("run", drop=False)
    return last.assign(at=at, solved=np.isfinite(at))


def solved(ends: pd.DataFrame) -> pd.DataFrame:
    """Each row is a solver: on how many of CUTEst's problems it came within 1e-6 (f(x0) - f*) of f*, and how its runs
    ended. Where f* is not known, the lowest value that any run found stands for it. A problem counts where more than
    half of the repeats solved it."""
    rows = []
    for name, cell in ends.groupby("column", sort=True):
        problems = cell.groupby("problem").agg(known=("known", "first"), solved=("solved", "mean"))
        there = problems["solved"] > 0.5
        counts = Counter(cell["status"])
        rows.append(
            {"solver": name}
            | {
                words: f"{(there & kind).sum()} of {kind.sum()}"
                for words, kind in (("f* known", problems["known"]), ("f* not known", ~problems["known"]))
            }
            | {status: counts.get(status, 0) for status in sorted(set(ends["status"]))}
            | {"runs": keys(cell)}
        )
    return pd.DataFrame(rows)


def by_problem(ends: pd.DataFrame) -> pd.DataFrame:
    """Each row is a problem, each column a solver: the iterations until it was solved (median over the repeats), or how
    the run ended without that. Lowest: f* where it is known, else the lowest value that any run found."""
    rows = []
    for problem, cell in ends.groupby("problem", sort=True):
        first = cell.iloc[0]
        rows.append(
            {"problem": problem, "n": COLLECTED[problem], "lowest": first["lowest"]}
            | {"f*": "known" if first["known"] else "not known"}
            | {name: _cell(cell[cell["column"] == name]) for name in sorted(set(ends["column"]))}
            | {"runs": keys(cell)}
        )
    return pd.DataFrame(rows)


def _cell(runs: pd.DataFrame) -> str:
    if runs.empty:
        return "-"
    if runs["solved"].mean() > 0.5:
        return f"{runs['at'].median():.0f}"
    return endings(runs)


SOLVED, BY_PROBLEM = Table("cutest", solved, best="-f* known"), Table("cutest-problems", by_problem)
