"""Findings on overfitting and divergence: a training loss that falls, a test accuracy that stays."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from ..data.repeats import CASE_COLUMNS, last_rows
from ..text import percent
from .finding import MISLEADS, Finding, known


def ends(frame: pd.DataFrame) -> pd.DataFrame:
    """The last iterate of the first repeat of every case, by run, with where the run started and its best test loss."""
    first = frame[
        frame["repeat"] == frame.groupby(CASE_COLUMNS)["repeat"].transform("min")
    ]  # the others may have raised
    last = last_rows(first).set_index("run")
    start = first[first["iteration"] == 0].set_index("run")["value"]
    return last.assign(start=start, best_test_loss=first.groupby("run")["test_loss"].min())


def largest(ratios: pd.Series) -> tuple[str, float]:
    """The run with the largest finite ratio; ("", 0) where there is none."""
    finite = ratios[np.isfinite(ratios)]
    return (finite.idxmax(), float(finite.max())) if len(finite) else ("", 0.0)


def overfitted(frame: pd.DataFrame) -> Iterator[Finding]:
    """The run whose test loss grew most after its best while its training loss fell."""
    last = ends(frame)
    key, growth = largest((last["test_loss"] / last["best_test_loss"])[last["value"] < last["start"]])
    if growth < 2:
        return
    end, run = last.loc[key], frame[frame["run"] == key]
    best = run.loc[run["test_loss"].idxmin()]
    yield Finding(
        MISLEADS,
        math.log10(growth),
        f"The training loss falls while the test loss grows {growth:.2g}-fold",
        f"{end['label']} drives the training loss of {end['problem']} to {end['value']:.2g}. Its test loss is best at "
        f"iteration {best['iteration']} ({best['test_loss']:.4g}) and {end['test_loss']:.4g} at the end, where the "
        f"weights have a norm of {end['norm']:.3g}.",
        (key,),
    )


def diverged(frame: pd.DataFrame) -> Iterator[Finding]:
    """The run that ended farthest above its start and still classified nine of ten test rows."""
    last = ends(frame)
    key, rise = largest(
        (last["value"] / last["start"])[(last["test_accuracy"] >= 0.9) & (last["value"] > last["start"])]
    )
    if not key:
        return
    end = last.loc[key]
    certified, why = known(end["problem"]), ""
    if end["solver"] == "newton-diagonal" and certified and certified.diagonal_rate > 2:
        why = (
            f" A unit step is stable only where the largest eigenvalue of D^-1 H is below 2; it is "
            f"{certified.diagonal_rate:.1f} at the start."
        )
    yield Finding(
        MISLEADS,
        math.log10(rise),
        "Test accuracy hides divergence",
        f"{end['label']} on {end['problem']} ends with {percent(end['test_accuracy'])} test accuracy, but its training "
        f"loss rose from {end['start']:.3f} to {end['value']:.2g}.{why}",
        (key,),
    )
