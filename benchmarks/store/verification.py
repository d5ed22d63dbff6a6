"""Stored runs are run again and compared bit for bit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import DataError
from solvers import COUNTERS, Status, Stop

from ..runner.measure import evaluate, measure
from ..runner.suites import Case
from .reading import Stored
from .runs import run_key

COMPARED = (
    *("iterate", "value", "gap", "gradient_norm", "test_loss", "train_accuracy", "test_accuracy", "norm"),
    *COUNTERS,
)
OTHER = "of other code, data, builds, schema or machine"
FAILED = "without a result"


@dataclass(frozen=True)
class Outcome:
    """The comparison of a run. difference: the first one, in words, or empty. reason: why the run was left out."""

    run: str
    name: str
    difference: str = ""
    deterministic: bool = True
    reason: str = ""


def verify(stored: Stored, count: int | None) -> Iterator[Outcome]:
    """Run again what this code can: all runs, or the first `count` by key, which is a hash: an arbitrary sample."""
    by_run: dict[str, list[dict[str, Any]]] = {}
    for row in stored.table.to_pylist() if stored.table else []:
        by_run.setdefault(row["run"], []).append(row)
    left = math.inf if count is None else count
    for run in sorted(by_run):
        if left <= 0:
            return
        rows = sorted(by_run[run], key=lambda row: row["iteration"])
        outcome = compare(run, rows, stored.metadata[run])
        left -= not outcome.reason
        yield outcome


def compare(run: str, rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> Outcome:
    first = rows[0]
    repeat, name = first["repeat"], f"{first['label']} on {first['problem']}, repeat {first['repeat']}"
    if first["status"] == Status.ERROR:
        return Outcome(run, name, reason=FAILED)
    case = rebuilt(about.get("case"))
    try:
        same = case is not None and run_key(case, repeat) == run
    except (ValueError, TypeError, DataError):
        same = False
    if not same:
        return Outcome(run, name, reason=OTHER)
    return Outcome(run, name, difference(rows, evaluate(measure(case, repeat))), first["deterministic"])


def rebuilt(described: Any) -> Case | None:
    """The inverse of `Case.describe`; None where this code has no such case."""
    try:
        settings = {name: value for name, value in described["settings"].items() if name != "class"}
        same = ("problem", "solver", "dtype", "device", "threads")
        case = Case(
            **{name: described[name] for name in same}, settings=tuple(settings.items()), stop=Stop(**described["stop"])
        )
        case.make_solver()
        return case
    except (LookupError, ValueError, TypeError, AttributeError):
        return None


def difference(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> str:
    """The first difference apart from times, in words. If the clock ended a run, the iterates of both are compared."""
    old, new = ({row["iteration"]: row for row in rows} for rows in (before, after))
    statuses = [rows[0]["status"] for rows in (before, after)]
    if not any(map(ended_by_the_clock, (before[0], after[0]))):
        if statuses[0] != statuses[1]:
            return f"it ended as {statuses[0]!r} and now as {statuses[1]!r}"
        if old.keys() != new.keys():
            return f"it ended after {max(old)} iterations and now after {max(new)}"
    for iteration in sorted(old.keys() & new.keys()):
        for name in COMPARED:
            was, now = old[iteration].get(name), new[iteration].get(name)
            if was != now and not (was is None or now is None or (was != was and now != now)):
                return f"{name} at iteration {iteration} was {was} and is now {now}"
    return ""


def ended_by_the_clock(row: Mapping[str, Any]) -> bool:
    """Also a converged one: when its time is up, a run tests once more for convergence."""
    return row["status"] == Status.TIME_LIMIT or row["total_seconds"] >= row["budget"]
