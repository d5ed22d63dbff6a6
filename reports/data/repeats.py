"""What the repeats of a case have in common: their last rows, how they ended, and whether they were disturbed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import pandas as pd

from solvers.common.names import library

CASE_COLUMNS = ["machine", "problem", "solver", "label", "dtype", "device", "threads"]  # what repeats have in common
LIMITS = {"time limit", "iteration limit"}  # set from outside: without them a run might have reached its target
DISTURBED = "disturbed by other work"
PEERS = (
    "A name library:method is a method of another library, which cannot be stepped: each of its points is a solve of "
    "its own from the start, and its time is that of this whole solve. It claims its own convergence."
)


def groups(
    frame: pd.DataFrame, columns: list[str] = CASE_COLUMNS, *, sort: bool = False
) -> Iterator[tuple[dict, pd.DataFrame]]:
    """The rows that agree in some columns, and the values of these; without others the repeats of each case."""
    for key, cell in frame.groupby(columns, sort=sort) if len(frame) else ():
        yield dict(zip(columns, key, strict=True)), cell


def keys(frame: pd.DataFrame) -> tuple[str, ...]:
    """The runs in a frame, each once: an entry of a table's column `runs`."""
    return tuple(sorted(frame["run"].unique()))


def last_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The last iterate of every run."""
    return frame.loc[frame.groupby("run")["iteration"].idxmax()]


def seconds_waited(frame: pd.DataFrame) -> pd.Series:
    """By run, the seconds after which a limit stopped it; infinite where it ended by itself, more would not help."""
    ends = frame.drop_duplicates("run").set_index("run")
    return ends["total_seconds"].where(ends["status"].isin(LIMITS), math.inf).astype(float)


def count_disturbed(frame: pd.DataFrame) -> int:
    """How many of the runs were measured while other work ran; of older runs that is not known: they do not count."""
    return int(frame.loc[frame["disturbed"].eq(True), "run"].nunique()) if "disturbed" in frame else 0


def marked(text: str, frame: pd.DataFrame) -> str:
    """A time in a table cell, with a mark where some of its runs were disturbed."""
    runs = count_disturbed(frame)
    return f"{text} ({runs} of {frame['run'].nunique()} disturbed)" if runs else text


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


def without_constant(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Without those of the columns that say the same in every row."""
    return table.drop(columns=[name for name in columns if name in table and table[name].nunique() == 1])


def varying(table: pd.DataFrame) -> pd.DataFrame:
    """As a table shows cases: the label as the solver, and of machine, device and threads what is not the same in every
    row; captions of the page name the rest."""
    table = without_constant(table, "machine", "device", "threads")
    return table.drop(columns=[name for name in ("solver",) if name in table]).rename(columns={"label": "solver"})


def peers_note(frame: pd.DataFrame) -> str:
    """What a caption must say of rows of other libraries; empty where all runs are ours."""
    return PEERS if len(frame) and frame["solver"].map(library).any() else ""


def disturbed_note(frame: pd.DataFrame) -> str:
    """What a caption must say of disturbed runs; empty where there are none."""
    runs = count_disturbed(frame)
    return (
        f"{runs} of these {frame['run'].nunique()} runs were {DISTURBED} on the machine: their times are too long."
        if runs
        else ""
    )
