"""Time to a gap or to a test accuracy: as a table, and as numbers for other programs."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from datasets.registry import SIZED

from ..data.repeats import CASE_COLUMNS, groups, keys, marked, seconds_waited, varying
from ..data.runs import Runs
from ..data.targets import TARGETS, times_to_target, why_no_target
from ..statistics.estimate import Estimate, estimate_censored, show


def runs_with_target(runs: Runs) -> tuple:
    return (with_a_target(runs.frame),)


def with_a_target(frame: pd.DataFrame) -> pd.DataFrame:
    """Without the runs for the cost of an iteration alone (sized problems, no test), unless there are no others."""
    sized = frame["problem"].map({name: bool(SIZED.fullmatch(name)) for name in frame["problem"].unique()})
    tested = frame[~sized | frame["rules"].str.contains("gap|gradient")]
    return frame if tested.empty else tested


def targets(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Seconds to each target of a kind ("gap" or "accuracy"), as numbers: one row per case and target. A gap is
    relative to f(x0) - f*. A median that is infinite lies above `beyond` seconds; where that is infinite too, half of
    the repeats or more ended by themselves before. An exception counts as such an end."""
    rows = []
    times = {target: times_to_target(frame, kind, target) for target in TARGETS[kind]}  # by run
    waited = seconds_waited(frame)
    for about, cell in groups(frame):
        if (cell["status"] == "error").all() or why_no_target(cell, kind):
            continue
        runs = waited.index.get_indexer(cell["run"].unique())
        for target, of_run in times.items():
            found = estimate_censored(of_run.to_numpy()[runs], waited.to_numpy()[runs])
            rows.append(about | {"target": target} | vars(found))
    return pd.DataFrame(rows, columns=[*CASE_COLUMNS, "target", *Estimate.__dataclass_fields__])


def _wide(frame: pd.DataFrame, kind: str, name: Callable[[float], str]) -> pd.DataFrame:
    """One row per case, one column per target; in the row of a case without targets the reason."""
    found = {
        (*row[: len(CASE_COLUMNS)], row[len(CASE_COLUMNS)]): Estimate(*row[len(CASE_COLUMNS) + 1 :])
        for row in targets(frame, kind).itertuples(index=False, name=None)
    }
    rows = []
    for about, cell in groups(frame):
        key = tuple(about.values())
        why = "error" if (cell["status"] == "error").all() else why_no_target(cell, kind)
        mark = marked("", cell)
        cells = {name(t): show(found[*key, t]) + mark if (*key, t) in found else why for t in TARGETS[kind]}
        rows.append(about | cells | {"runs": keys(cell)})
    return varying(pd.DataFrame(rows))


def time_to_gap(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a case, each column a target: f - f* as a fraction of f(x0) - f*. A cell is the time to reach it,
    median [95 % interval] of the repeats. > t: a limit stopped the runs, and the median is above t. Never: the runs
    ended by themselves before."""
    return _wide(frame, "gap", lambda t: f"{t:.0e}")


def time_to_accuracy(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a case, each column a test accuracy. A cell is the time until that share of the test rows is
    classified correctly: median [95 % interval] of the repeats. > t: a limit stopped the runs, and the median is above
    t. Never: the runs ended by themselves before."""
    held_out = frame.groupby("problem")["test_accuracy"].transform(lambda shares: shares.notna().any())
    return _wide(frame[held_out], "accuracy", lambda t: f"{t:.2f}")
