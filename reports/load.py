"""Stored runs as one tidy DataFrame, and an account of what was left out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow.parquet as pq

from benchmarks.store import SCHEMA, SUFFIX

from .measurements import measurements as measurements  # runs, asv and pytest-benchmark in one frame

NO_MINIMISER = "no minimiser"  # what `no_gap` said before there were other reasons


@dataclass(frozen=True)
class Runs:
    """frame: one row an iterate. metadata: environment and calibration of each run, by its key.

    skipped: files that could not be read, with the reason. older: how many runs of earlier code were left out, by
    machine.
    """

    frame: pd.DataFrame
    metadata: dict[str, dict[str, Any]]
    skipped: dict[str, str] = field(default_factory=dict)
    older: dict[str, int] = field(default_factory=dict)
    folder: Path | None = None  # where the files are


def load(folder: Path | str, *, code: Literal["newest", "all"] = "newest") -> Runs:
    """All runs in a folder, of the newest code on each machine or of all; unreadable files are named and skipped."""
    frames, metadata, skipped = [], {}, {}
    for path in sorted(Path(folder).glob(f"*{SUFFIX}")):
        if path.name.startswith("."):
            continue
        try:
            table = pq.ParquetFile(path).read()
            described = json.loads((table.schema.metadata or {})[b"hessbench"])
            if described["schema"] != SCHEMA:
                raise ValueError(f"schema {described['schema']}, and this code reads {SCHEMA}: update it")
        except KeyError:
            skipped[path.name] = "not written by this suite"
        except (OSError, ValueError) as error:  # pyarrow's errors are both
            skipped[path.name] = str(error).splitlines()[0]
        else:
            frames.append(table.to_pandas())
            metadata[path.stem] = described
    if not frames:
        return Runs(pd.DataFrame(), {}, skipped)
    frame = pd.concat(frames, ignore_index=True)
    if "no_gap" not in frame:
        frame["no_gap"] = pd.NA
    frame["no_gap"] = frame["no_gap"].fillna(frame["minimiser"].map({True: "", False: NO_MINIMISER}))  # older runs
    frame, older = newest_code(frame) if code == "newest" else (frame, {})
    frame = tell_apart(frame)
    order = ["machine", "problem", "dtype", "device", "threads", "solver", "label", "repeat", "iteration"]
    frame = frame.sort_values(order, kind="stable", ignore_index=True)
    return Runs(frame, {run: metadata[run] for run in frame["run"].unique()}, skipped, older, Path(folder))


def newest_code(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Only the runs of the code version measured last on each machine, and how many others there were."""
    latest = frame.loc[frame.groupby("machine")["date"].idxmax()].set_index("machine")["code_version"]
    current = frame["code_version"] == frame["machine"].map(latest)
    older = frame[~current].groupby("machine")["run"].nunique()
    return frame[current], {str(machine): int(count) for machine, count in older.items()}


def tell_apart(frame: pd.DataFrame) -> pd.DataFrame:
    """Labels that are different for different cases: where one label stands for several, with the rules of each.

    `label` is what readers see and what groups repeats; `plain_label` is the one without rules.
    """
    same = ["problem", "solver", "label", "dtype", "device", "threads"]
    several = frame.groupby(same)["case"].transform("nunique") > 1
    labels = frame["label"].where(~several, frame["label"] + " (" + frame["rules"] + ")")
    twins = frame.assign(label=labels).groupby(same)["case"].transform("nunique") > 1  # settings differ, rules do not
    return frame.assign(plain_label=frame["label"], label=labels.where(~twins, labels + " " + frame["case"]))
