"""All that was measured, by whatever tool, as one long tidy frame: one row per measured quantity."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from .asv_results import asv_results
from .measurements import DIGITS, Measurements, parameter_columns, tidy
from .pytest_results import pytest_results
from .repeats import seconds_waited
from .runs import Runs
from .targets import TARGETS, reached, why_no_target


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
      values where they were recorded. pytest-benchmark's are medians, and the numbers that a benchmark noted.
    - low to high holds what was measured, in the sense of `interval`: confidence of a median (`99 %` asv, `95 %` what a
      benchmark noted itself); `between iterates`: a time to a target; `censored`: not within low.
    - status: ok; failed: it raised, was killed, or could not be built; n/a: the benchmark declined (a device or solver
      that is not there) or the target was not reached. The value of both is NaN, and reason says more where the tool
      does. A value may be infinite.
    """
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


def dated(frame: pd.DataFrame) -> pd.DataFrame:
    """Runs know their commit and not its date: that of the same commit in the results of the other tools."""
    known = frame.dropna(subset=["date", "commit"]).groupby("commit")["date"].min()
    return frame.assign(date=frame["date"].where(frame["date"].notna(), frame["commit"].map(known)))


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
                why = why_no_target(run, kind)
                found = {"value": math.nan, "status": "n/a", "reason": why} if why else time_to(run, kind, goal)
                goal_columns = parameter_columns(case | {kind: goal}) | {"benchmark": f"time to {kind}"}
                yield common | goal_columns | {"quantity": "time", "unit": "s"} | found


def time_to(run: pd.DataFrame, kind: str, goal: float) -> dict[str, Any]:
    """When a run first got there, between two kept iterates; or that it did not, before a limit stopped it or before it
    ended by itself."""
    there = reached(run, kind, goal).to_numpy()
    if not there.any():
        missed = {"value": math.nan, "status": "n/a", "high": math.inf, "interval": "censored"}
        stopped = math.isfinite(seconds_waited(run).iloc[0])
        reason = "not reached" if stopped else f"never reached: {run['status'].iloc[0]}"
        return missed | {"low": float(run["total_seconds"].iloc[0]), "reason": reason}
    first, seconds = int(there.argmax()), run["seconds"].to_numpy()
    return {"value": seconds[first], "low": seconds[max(first - 1, 0)], "high": seconds[first]} | {
        "interval": "between iterates"
    }
