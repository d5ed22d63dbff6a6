"""All that was measured, by whatever tool, as one long tidy frame: one row a measured quantity."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .statistics import waited
from .tables import TARGETS, absent

if TYPE_CHECKING:
    from .load import Runs

COLUMNS = (
    *("source", "commit", "date", "measured"),
    *("machine", "host", "environment", "python", "torch"),
    *("benchmark", "version", "group", "parameters", "solver", "problem", "dtype", "device", "threads", "gap"),
    *("quantity", "unit", "statistic", "repeat", "value", "low", "high", "interval", "q_25", "q_75", "samples"),
    *("status", "reason", "file"),
)
PARAMETERS = {"solver", "problem", "dtype", "device", "threads", "gap"}  # those that all tools share
COUNTS = ("threads", "repeat", "samples")
NUMBERS = (*COUNTS, "gap", "value", "low", "high", "q_25", "q_75")
ORDER = ["source", "benchmark", "parameters", "machine", "host", "environment", "date", "commit", "measured", "file"]
SECONDS = {"seconds": "s"}  # the units of asv, as the rest of the reports write them
DIGITS = 12  # of a commit


@dataclass(frozen=True)
class Measurements:
    """frame: the columns are those of `measurements`. skipped: files that could not be read, with the reason.

    older: results of benchmarks that have changed since (another version, other axes) or are gone, by benchmark: how
    many files held one.
    """

    frame: pd.DataFrame
    skipped: dict[str, str] = field(default_factory=dict)
    older: dict[str, int] = field(default_factory=dict)


def measurements(
    *, runs: Runs | None = None, asv: Path | str | None = None, micro: Path | str | Iterable[Path] = ()
) -> Measurements:
    """Loaded runs, asv's folder of results and the JSON files of pytest-benchmark (or a folder of them) in one frame.

    A table is a selection and a `groupby` (with dropna=False: what a tool does not know is missing). The columns:

    - source: run, asv or pytest-benchmark; file: the run's key or the file's name.
    - commit: 12 digits, with + where the working tree differed. date: of the commit (UTC, ISO 8601), as asv and
      pytest-benchmark stored it; a run has that of the same commit in asv's results, or none. measured: when.
    - machine: CPU, cores, and what is known of a GPU; host: asv's own name of it. environment, python, torch.
    - benchmark, and its version where it has one; group (pytest-benchmark). parameters: all as one text, and each in a
      column of its own: solver, problem, dtype, device, threads, gap, and others as they come, with `parameter `
      before the name where it would be one of these columns.
    - quantity (time, iterations, peak memory, test loss, ...) in unit.
    - statistic: `value`, one observation, whose place in a series is `repeat`; or `median`, by the tool, of so many
      `samples` (seconds a call), with the quartiles q_25 and q_75. A timed asv cell is one median, and its samples as
      values where they were recorded. pytest-benchmark's are medians, beside the numbers that a benchmark noted.
    - low to high holds what was measured, in the sense of `interval`: confidence of a median (`99 %` asv, `95 %` what a
      benchmark noted itself); `between iterates`: a time to a target; `censored`: not within low.
    - status: ok; failed: it raised, was killed, or could not be built; n/a: the benchmark declined (a device or solver
      that is not there) or the target was not reached. The value of both is NaN, and reason says more where the tool
      does. A value may be infinite.
    """
    from .asv_results import asv_results
    from .pytest_results import pytest_results

    parts = []
    if asv is not None:
        parts.append(asv_results(asv))
    if runs is not None:
        parts.append(Measurements(tidy(run_rows(runs)), runs.skipped, runs.older))
    if micro:
        parts.append(pytest_results(micro))
    frame = tidy(row for part in parts for row in part.frame.to_dict("records"))
    return Measurements(
        dated(frame),
        {name: reason for part in parts for name, reason in part.skipped.items()},
        {name: count for part in parts for name, count in part.older.items()},
    )


def tidy(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a frame with all columns, sorted; the columns of further parameters come last."""
    frame = pd.DataFrame.from_records(list(rows))
    others = [name for name in frame.columns if name not in COLUMNS]
    frame = frame.reindex(columns=[*COLUMNS, *others])
    for name in NUMBERS:
        frame[name] = pd.to_numeric(frame[name]).astype("Int64" if name in COUNTS else float)
    texts = [name for name in COLUMNS if name not in NUMBERS]
    frame[texts] = frame[texts].astype(object).where(frame[texts].notna(), None)
    return frame.sort_values([*ORDER, "quantity", "statistic", "repeat"], kind="stable", ignore_index=True)


def dated(frame: pd.DataFrame) -> pd.DataFrame:
    """Runs know their commit and not its date: that of the same commit in the results of the other tools."""
    known = frame.dropna(subset=["date", "commit"]).groupby("commit")["date"].min()
    return frame.assign(date=frame["date"].where(frame["date"].notna(), frame["commit"].map(known)))


def cpu(model: str | None, cores: int | str | None) -> str:
    """A machine in words, as the runs describe theirs."""
    return (model or "unknown CPU") + (f", {cores} cores" if cores else "")


def parameter_columns(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Each parameter under a name that is no other column's, and all of them as one text."""
    plain = {name: value if isinstance(value, (str, Real)) else str(value) for name, value in parameters.items()}
    named = {
        f"parameter {name}" if name in COLUMNS and name not in PARAMETERS else name: value
        for name, value in plain.items()
    }
    text = ", ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in plain.items()
    )
    return named | {"parameters": text}


def run_rows(runs: Runs) -> Iterator[dict[str, Any]]:
    """Of each run: time, iterations, losses and accuracy at its end, and its times to the targets of the tables."""
    if runs.frame.empty:
        return
    for key, run in runs.frame.groupby("run", sort=False):
        last = run.loc[run["iteration"].idxmax()]
        built = runs.metadata[str(key)]["environment"]
        failed = last["status"] == "error"
        common = {
            "source": "run",
            "file": key,
            "commit": last["commit"] or None,
            "measured": last["date"],
            "machine": last["machine"],
            "environment": f"{built['system']}, {built['blas']}",
            "python": built["python"],
            "torch": built["packages"]["torch"],
            "version": last["code_version"][:DIGITS],
            "statistic": "value",
            "repeat": last["repeat"],
            "status": "failed" if failed else "ok",
            "reason": last["message"] if failed else last["status"],
        }
        case = {name: last[name] for name in ("label", "solver", "problem", "dtype", "device", "threads")}
        whole = common | parameter_columns(case) | {"benchmark": "whole run"}
        for quantity, unit, column in (
            ("time", "s", "total_seconds"),
            ("iterations", "iterations", "iteration"),
            ("training loss", "", "value"),
            ("test loss", "", "test_loss"),
            ("test accuracy", "", "test_accuracy"),
        ):
            yield whole | {"quantity": quantity, "unit": unit, "value": math.nan if failed else last[column]}
        if failed:
            continue
        for kind, goals in TARGETS.items():
            for goal in goals:
                why = absent(run, kind)
                found = {"value": math.nan, "status": "n/a", "reason": why} if why else time_to(run, kind, goal)
                goal_columns = parameter_columns(case | {kind: goal}) | {"benchmark": f"time to {kind}"}
                yield common | goal_columns | {"quantity": "time", "unit": "s"} | found


def time_to(run: pd.DataFrame, kind: str, goal: float) -> dict[str, Any]:
    """When a run first got there, between two kept iterates; or that it did not, before a limit stopped it or before it
    ended by itself."""
    reached = run["gap"] <= goal * run["gap"].iloc[0] if kind == "gap" else run["test_accuracy"] >= goal
    if not reached.any():
        missed = {"value": math.nan, "status": "n/a", "high": math.inf, "interval": "censored"}
        stopped = math.isfinite(waited(run))
        reason = "not reached" if stopped else f"never reached: {run['status'].iloc[0]}"
        return missed | {"low": float(run["total_seconds"].iloc[0]), "reason": reason}
    first, seconds = int(np.argmax(reached.to_numpy())), run["seconds"].to_numpy()
    return {"value": seconds[first], "low": seconds[max(first - 1, 0)], "high": seconds[first]} | {
        "interval": "between iterates"
    }
