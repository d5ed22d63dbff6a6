"""Every case at its end."""

from __future__ import annotations

import math

import pandas as pd

from ..data.repeats import endings, groups, keys, last_rows, marked, varying
from ..statistics.estimate import estimate, show


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a case: a solver on a problem. Losses and accuracies are computed in float64 after the run, at its
    last iterate and at its best. Time: seconds of the whole run, median [95 % interval] of the repeats. Disturbed:
    other work ran on the machine, so the time says little."""
    rows = []
    for about, cell in groups(frame):
        last = last_rows(cell).sort_values("repeat", kind="stable")
        ran = last[last["status"] != "error"]
        end = (last if ran.empty else ran).iloc[0]
        example = cell[cell["run"] == end["run"]].set_index("iteration")
        tested = not ran.empty and example["test_loss"].notna().any()
        measured = {
            "iterations": int(end["iteration"]),
            "time": "-" if ran.empty else marked(show(estimate(ran["total_seconds"])), cell),
            "loss": end["value"],
            "best loss": example["value"].min(),
            "test loss": end["test_loss"],
            "best test loss": example["test_loss"].min(),
            "at iteration": int(example["test_loss"].idxmin()) if tested else "-",
            "test accuracy": end["test_accuracy"],
            "status": endings(last) + local_minimum(end),
        }
        rows.append(about | measured | {"runs": keys(cell)})
    return varying(pd.DataFrame(rows))


def local_minimum(end: pd.Series) -> str:
    """What follows the status of a run that ended at a known minimum which is not the lowest."""
    value = end.get("local_minimum", math.nan)  # older runs do not say
    return "" if math.isnan(value) else f", local minimum {value:.6g}"
