"""What stored runs say of each solver: seconds and events of an iteration, and iterations to a gap, cell by cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.profiling.work import Shape, shape
from datasets import DataError, build
from solvers.common.instrumentation import COUNTERS
from solvers.common.names import library
from solvers.objectives import LogisticRegression, SoftmaxRegression

from ..data.repeats import keys, last_rows
from ..data.runs import Runs
from ..data.targets import reached
from .cost_model import Iteration

ARRIVED, FAILED, OUT_OF_TIME, NOT_COUNTED = "arrived", "failed", "out of time", "not counted"
ENOUGH = 1000  # iterations after which a run that is not there counts as one that does not get there
ITEM = {"float32": 4, "float64": 8}  # bytes


class Setup(NamedTuple):
    machine: str
    device: str
    dtype: str
    threads: int


@dataclass(frozen=True)
class Experience:
    """A registered solver on a linear problem: medians over the repeats, without the disturbed ones where there
    are any others.

    iteration, seconds: of one; None and NaN where none was made. iterations, time: to the gap (relative to f(x0) - f*),
    infinite where fewer than half of the repeats arrive, and `waited` is a bound from below, the median of how long
    all of them tried. outcome: arrived, failed
    (it ended by itself, or after 1000 iterations), out of time, or not counted (no f*, or a fixed number of
    iterations: those that arrive early by chance would make a solver look better than it is).
    """

    setup: Setup
    problem: str
    penalised: bool
    solver: str
    iteration: Iteration | None
    seconds: float
    iterations: float
    time: float
    waited: float
    outcome: str
    repeats: int
    runs: tuple[str, ...]


def experience(runs: Runs, gap: float) -> list[Experience]:
    """One for each setup, problem and solver; of several rules those that count, with the most repeats."""
    frame = runs.frame
    if frame.empty:
        return []
    frame = frame[(frame["status"] != "error") & (frame["plain_label"] == frame["solver"])]
    frame = frame[frame["solver"].map(library) == ""]  # what a peer evaluates is not counted
    found: dict[tuple, Experience] = {}
    if "disturbed" in frame:
        calm = ~frame["disturbed"].eq(True)
        cell = [*Setup._fields, "problem", "solver", "rules"]
        frame = frame[calm | ~calm.groupby([frame[name] for name in cell], sort=False).transform("any")]
    for (*setup, problem, solver, _), rows in frame.groupby([*Setup._fields, "problem", "solver", "rules"], sort=False):
        if (linear := linear_problem(problem)) is None:
            continue
        new = _experience(Setup(*setup), linear, problem, solver, rows, runs, gap)
        key = (new.setup, problem, solver)
        if key not in found or _counts(new) > _counts(found[key]):
            found[key] = new
    return list(found.values())


def _counts(cell: Experience) -> tuple[bool, int]:
    return cell.outcome != NOT_COUNTED, cell.repeats


def _experience(
    setup: Setup, linear: Linear, problem: str, solver: str, cell: pd.DataFrame, runs: Runs, gap: float
) -> Experience:
    ends = last_rows(cell)
    there = cell[reached(cell, "gap", gap)].drop_duplicates("run")
    missing = ends[~ends["run"].isin(there["run"])]
    never = [math.inf] * len(missing)
    iterations, time = (float(np.median([*there[name], *never])) for name in ("iteration", "seconds"))
    moved = ends[ends["iteration"] > 0]
    return Experience(
        *(setup, problem, linear.penalised, solver),
        iteration=None if moved.empty else _iteration(moved, linear, runs),
        seconds=math.nan if moved.empty else float((moved["seconds"] / moved["iteration"]).median()),
        iterations=iterations,
        time=time,
        waited=float(np.median([*there["seconds"], *missing["total_seconds"]])),
        outcome=outcome(ends, math.isfinite(time)),
        repeats=len(ends),
        runs=keys(cell),
    )


def outcome(ends: pd.DataFrame, arrived: bool) -> str:
    """How the repeats of a cell fared, from their last rows."""
    stopped = (ends["status"] == "iteration limit") & (ends["iteration"] < ENOUGH)
    if (ends["no_gap"] != "").any() or stopped.any():
        return NOT_COUNTED
    if arrived:
        return ARRIVED
    return OUT_OF_TIME if (ends["status"] == "time limit").any() and ends["iteration"].max() < ENOUGH else FAILED


def _iteration(ends: pd.DataFrame, linear: Linear, runs: Runs) -> Iteration:
    """The events of an iteration, as the ends of runs count them."""
    end = ends.iloc[0]
    counts = ends.reindex(columns=COUNTERS).fillna(0)  # runs of older code lack the younger counters
    events = counts.div(ends["iteration"], axis=0).median().to_dict()
    shape = linear.shape._replace(item=ITEM[end["dtype"]])
    return Iteration(end["solver"], events, shape, runs.metadata[end["run"]]["calibration"])


class Linear(NamedTuple):
    shape: Shape  # in float64
    penalised: bool


@cache
def linear_problem(name: str) -> Linear | None:
    """None where the data is not here, or where the problem is not a linear model."""
    try:
        objective = build(name).objective
    except (DataError, ValueError):
        return None
    if not isinstance(objective, (LogisticRegression, SoftmaxRegression)):
        return None
    return Linear(shape(objective), objective.l2 > 0)
