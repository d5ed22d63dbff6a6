"""Time to a gap or to a test accuracy: as a table, and as numbers for other programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from datasets.registry import SIZED

from ..data.repeats import CASE_COLUMNS, groups, keys, marked, seconds_waited, varying
from ..data.runs import Runs
from ..data.targets import GAP, NO_GAPS, NO_MINIMISER, TARGETS, times_to_target, why_no_target
from ..statistics.estimate import Estimate, estimate_censored, show

LOSSES = (1e-1, 1e-2, 1e-3, 1e-4, GAP)


def runs_with_target(runs: Runs) -> tuple:
    return (with_a_target(runs.frame),)


def runs_with_gap(runs: Runs) -> tuple:
    """Only problems with a certified minimum; the others are in the table of times to a loss."""
    frame = with_a_target(runs.frame)
    return (frame[frame["no_gap"] == ""],)


def with_a_target(frame: pd.DataFrame) -> pd.DataFrame:
    """Without the runs for the cost of an iteration alone (sized problems, no test), unless there are no others."""
    sized = frame["problem"].map({name: bool(SIZED.fullmatch(name)) for name in frame["problem"].unique()})
    tested = frame[~sized | frame["rules"].str.contains("gap|gradient")]
    return frame if tested.empty else tested


def targets(frame: pd.DataFrame, kind: str, goals: Sequence[float] = ()) -> pd.DataFrame:
    """Seconds to each target of a kind ("gap" or "accuracy"), as numbers: one row per case and target. A gap is
    relative to f(x0) - f*. goals: the targets, by default all of TARGETS. A median that is infinite lies above `beyond`
    seconds; where that is infinite too, half of the repeats or more ended by themselves before. An exception counts as
    such an end."""
    rows = []
    times = {target: times_to_target(frame, kind, target) for target in goals or TARGETS[kind]}  # by run
    waited = seconds_waited(frame)
    for about, cell in groups(frame):
        if (cell["status"] == "error").all() or why_no_target(cell, kind):
            continue
        runs = waited.index.get_indexer(cell["run"].unique())
        for target, of_run in times.items():
            found = estimate_censored(of_run.to_numpy()[runs], waited.to_numpy()[runs])
            rows.append(about | {"target": target} | vars(found))
    return pd.DataFrame(rows, columns=[*CASE_COLUMNS, "target", *Estimate.__dataclass_fields__])


def _wide(frame: pd.DataFrame, kind: str, name: Callable[[float], str], goals: Sequence[float] = ()) -> pd.DataFrame:
    """One row per case, one column per target; in the row of a case without targets the reason."""
    found = {
        (*row[: len(CASE_COLUMNS)], row[len(CASE_COLUMNS)]): Estimate(*row[len(CASE_COLUMNS) + 1 :])
        for row in targets(frame, kind, goals).itertuples(index=False, name=None)
    }
    rows = []
    for about, cell in groups(frame):
        key = tuple(about.values())
        why = "error" if (cell["status"] == "error").all() else why_no_target(cell, kind)
        mark = marked("", cell)
        cells = {name(t): show(found[*key, t]) + mark if (*key, t) in found else why for t in goals or TARGETS[kind]}
        rows.append(about | cells | {"runs": keys(cell)})
    return varying(pd.DataFrame(rows))


def time_to_gap(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a case, each column a target: f - f* as a fraction of f(x0) - f*. A cell is the time to reach it,
    median [95 % interval] of the repeats. > t: a limit stopped the runs, and the median is above t. Never: the runs
    ended by themselves before."""
    return _wide(frame, "gap", gap) if len(frame) else pd.DataFrame([{"measured": NO_GAPS}])


def gap(target: float) -> str:
    return f"{target:.0e}"


def time_to_loss(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a case on a problem without a certified minimum, each column a target: f - r as a fraction of f(x0) -
    r. The reference r is the infimum where there is no minimiser, else the lowest loss that any run found, which is not
    certified: a longer run may go below it. A cell is the time to reach the target, as in the times to a gap."""
    frame = frame[frame["no_gap"] != ""]
    if frame.empty:
        return pd.DataFrame()
    lowest = frame.loc[frame.groupby("problem")["value"].idxmin().dropna()].set_index("problem")
    found = {name: f"lowest found, {row['value']:.5g} ({row['label']})" for name, row in lowest.iterrows()}
    proved = (frame["no_gap"] == NO_MINIMISER) & frame["optimum"].notna()
    found |= {row["problem"]: f"infimum {row['optimum']:.5g}" for _, row in frame[proved].iterrows()}
    reference = frame["optimum"].where(proved, frame["problem"].map(lowest["value"]))
    table = _wide(frame.assign(gap=frame["value"] - reference, no_gap=""), "gap", gap, LOSSES)
    table.insert(table.columns.get_loc("solver") + 1, "r", table["problem"].map(found))
    return table


def time_to_accuracy(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a case, each column a test accuracy. A cell is the time until that share of the test rows is
    classified correctly: median [95 % interval] of the repeats. > t: a limit stopped the runs, and the median is above
    t. Never: the runs ended by themselves before."""
    held_out = frame.groupby("problem")["test_accuracy"].transform(lambda shares: shares.notna().any())
    return _wide(frame[held_out], "accuracy", lambda t: f"{t:.2f}")
