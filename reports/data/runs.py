"""Stored runs as one tidy DataFrame, and an account of what was left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from benchmarks.runner.statistics import FEWEST
from benchmarks.store.reading import read

from .repeats import CASE_COLUMNS
from .targets import NO_MINIMISER

PLUGINS = {"solver": "solver_plugin", "problem": "problem_plugin"}  # of what: the column with its version
if TYPE_CHECKING:
    import pyarrow as pa

LATER = (  # columns that older runs do not have
    *("iterate", "settings", "deterministic", "disturbed"),  # schema 1 has none of these
    *PLUGINS.values(),
)
NOT_KNOWN = "f* is not known"


@dataclass(frozen=True)
class Runs:
    """frame: one row per iterate. metadata: environment and calibration of each run, by its key.

    skipped: files that could not be read, with the reason. older: how many runs of earlier code, or of an earlier
    version of a plug-in, were left out, by machine. disturbed: likewise how many that were measured while other work
    ran, where enough others were not.
    """

    frame: pd.DataFrame
    metadata: dict[str, dict[str, Any]]
    skipped: dict[str, str] = field(default_factory=dict)
    older: dict[str, int] = field(default_factory=dict)
    disturbed: dict[str, int] = field(default_factory=dict)
    folder: Path | None = None  # where the files are
    files: dict[str, str] = field(default_factory=dict)  # the file of each run


def load(folder: Path | str, *, code: Literal["newest", "all"] = "newest") -> Runs:
    """All runs in a folder, of the newest code on each machine or of all; unreadable files are named and skipped."""
    stored = read(Path(folder))
    if stored.table is None:
        return Runs(pd.DataFrame(), {}, stored.skipped)
    frame, metadata, skipped = _frame(stored.table), stored.metadata, stored.skipped
    for name in LATER:
        if name not in frame:
            frame[name] = None
    frame = with_minimiser(frame)
    frame, older = newest_code(frame) if code == "newest" else (frame, {})
    frame, disturbed = undisturbed(frame)
    frame = tell_apart(frame)
    order = ["machine", "problem", "dtype", "device", "threads", "solver", "label", "repeat", "iteration"]
    frame = frame.sort_values(order, kind="stable", ignore_index=True)
    known = {run: metadata[run] for run in frame["run"].unique()}
    return Runs(frame, known, skipped, older, disturbed, Path(folder), stored.files)


def _frame(table: pa.Table) -> pd.DataFrame:
    """A table as a frame. Its texts are Python's: reports take thousands of small pieces out of it, and each costs a
    column in Arrow's form ten times as much."""
    frame = table.to_pandas()
    texts = frame.select_dtypes("str").columns
    return frame.astype(dict.fromkeys(texts, pd.StringDtype("python", na_value=np.nan)))


def with_minimiser(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with `no_gap` for older runs too, and with a `minimiser` that is True, False (none, by a proof) or None.

    A stored False alone is no proof: older code stored it for "not known", too. `no_gap` proves it, and in older runs,
    which have no such column, an infimum that is exactly 0: every loss of theirs is above 0.
    """
    there = frame["minimiser"].eq(True)
    stored = frame.reindex(columns=["no_gap", "optimum", "optimum_error"])
    nothing = (stored["optimum"] == 0) & (stored["optimum_error"] == 0)
    older = pd.Series(np.select([there, nothing], ["", NO_MINIMISER], NOT_KNOWN), frame.index, dtype=object)
    no_gap = stored["no_gap"].astype(object).where(stored["no_gap"].notna(), older)
    known = there | (no_gap == NO_MINIMISER)
    return frame.assign(no_gap=no_gap, minimiser=there.astype(object).where(known, None))


def newest_code(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Only the runs of the code version measured last on each machine, and of each plug-in's version measured last with
    that; and how many others there were."""
    latest = frame.loc[frame.groupby("machine")["date"].idxmax()].set_index("machine")["code_version"]
    current = frame["code_version"] == frame["machine"].map(latest)
    for what, version in PLUGINS.items() if set(PLUGINS.values()) <= set(frame) else ():
        current &= of_newest_version(frame[current], ["machine", what], version).reindex(frame.index, fill_value=False)
    older = frame[~current].groupby("machine")["run"].nunique()
    return frame[current], {str(machine): int(count) for machine, count in older.items()}


def of_newest_version(frame: pd.DataFrame, same: list[str], version: str) -> pd.Series:
    """Whether each row has the version that was measured last of what is the same; none counts as a version, too."""
    versions = frame[version].fillna("")
    last = frame.groupby(same)["date"].idxmax()
    latest = versions[last].set_axis(last.index)
    return versions == pd.Series(list(frame[same].itertuples(index=False, name=None)), frame.index).map(latest)


def undisturbed(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Without the runs that were measured while other work ran, where six others of the same case ended in the same
    way, and how many they were on each machine. Where there are fewer the runs stay, and tables mark their times."""
    runs = frame.drop_duplicates("run")
    waited = runs["disturbed"].eq(True)
    same = [runs[name] for name in (*CASE_COLUMNS, "code_version", "case", "status")]
    others = (~waited).groupby(same, sort=False).transform("sum")
    left_out = runs[waited & (others >= FEWEST)]
    counted = {str(machine): int(count) for machine, count in left_out.groupby("machine").size().items()}
    return frame[~frame["run"].isin(set(left_out["run"]))], counted


def tell_apart(frame: pd.DataFrame) -> pd.DataFrame:
    """Labels that are different for different cases: where one label stands for several, with the rules of each.

    `label` is what readers see and what groups repeats; `plain_label` is the one without rules.
    """
    same = ["problem", "solver", "label", "dtype", "device", "threads"]
    several = frame.groupby(same)["case"].transform("nunique") > 1
    labels = frame["label"].where(~several, frame["label"] + " (" + frame["rules"] + ")")
    twins = frame.assign(label=labels).groupby(same)["case"].transform("nunique") > 1  # settings differ, rules do not
    return frame.assign(plain_label=frame["label"], label=labels.where(~twins, labels + " " + frame["case"]))
