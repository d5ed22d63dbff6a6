"""Every case at its end."""

from __future__ import annotations

import math

import pandas as pd

from ..data.repeats import CELL, endings, keys, last_rows, marked, varying
from ..statistics.estimate import estimate, show


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a case: a solver on a problem. Losses and accuracies are computed in float64 after the run, at its
    last iterate and at its best. Time: seconds of the whole run, median [95 % interval] of the repeats. Disturbed:
    other work ran on the machine, so the time says little."""
    rows = []
    for key, cell in frame.groupby(CELL, sort=False):
        last = last_rows(cell).sort_values("repeat", kind="stable")
        ran = last[last["status"] != "error"]
        failed = ran.empty
        end = last.iloc[0] if failed else ran.iloc[0]
        example = cell[cell["run"] == end["run"]]
        rows.append(
            dict(zip(CELL, key, strict=True))
            | {
                "iterations": int(end["iteration"]),
                "time": "-" if failed else marked(show(estimate(ran["total_seconds"])), cell),
                "loss": end["value"],
                "best loss": example["value"].min(),
                "test loss": end["test_loss"],
                "best test loss": example["test_loss"].min(),
                "at iteration": "-"
                if failed or example["test_loss"].isna().all()
                else int(example.loc[example["test_loss"].idxmin(), "iteration"]),
                "test accuracy": end["test_accuracy"],
                "status": endings(last) + local_minimum(end),
                "runs": keys(cell),
            }
        )
    return varying(pd.DataFrame(rows))


def local_minimum(end: pd.Series) -> str:
    """What follows the status of a run that ended at a known minimum which is not the lowest."""
    value = end.get("local_minimum", math.nan)  # older runs do not say
    return "" if math.isnan(value) else f", local minimum {value:.6g}"
