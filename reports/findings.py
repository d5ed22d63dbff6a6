"""What the runs show, in plain words: every sentence is filled from the data, and left out where it does not hold."""

from __future__ import annotations

import pandas as pd

from datasets import certificate

from .claims import CLASSIC, DIAGONAL_1, NEWTON, PENALISED, comparable
from .statistics import one_row_a_run


def findings(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """(heading, text) pairs."""
    runs = comparable(frame)
    if runs.empty:
        return []
    runs = runs[runs["repeat"] == runs["repeat"].min()]
    found = [_separable(runs), _newton(runs), _diagonal(runs), _penalised(runs)]
    return [pair for pair in found if pair]


def _separable(runs: pd.DataFrame) -> tuple[str, str] | None:
    without = [name for name in runs["problem"].unique() if not runs[runs["problem"] == name]["minimiser"].iloc[0]]
    if CLASSIC not in without:
        return None
    known = certificate(CLASSIC)
    return (
        "The classic problem has no minimiser",
        f"Its {known.n} training rows are linearly separable: a linear program finds a margin of {known.margin:.3f}. "
        "Without a penalty the loss therefore tends to 0 only as the weights tend to infinity. There is no optimum to "
        "race to, and no time to an objective gap: the tables say so instead of giving one.",
    )


def _run(runs: pd.DataFrame, label: str) -> pd.DataFrame:
    return runs[(runs["problem"] == CLASSIC) & (runs["label"] == label)].sort_values("iteration")


def _newton(runs: pd.DataFrame) -> tuple[str, str] | None:
    run = _run(runs, NEWTON)
    perfect = run[run["train_accuracy"] == 1.0]
    if run.empty or perfect.empty:
        return None
    best, last = run.loc[run["test_loss"].idxmin()], run.iloc[-1]
    if not last["test_loss"] > 2 * best["test_loss"]:
        return None
    return (
        "Exact Newton wins the training set and loses the test set",
        f"It classifies every training row correctly from iteration {perfect['iteration'].iloc[0]} on and drives the "
        f"training loss to {last['value']:.2g}; its weights grow to a norm of {last['norm']:.0f}. Its test loss is "
        f"best at iteration {best['iteration']} ({best['test_loss']:.4f}) and then grows "
        f"{last['test_loss'] / best['test_loss']:.0f}-fold, to {last['test_loss']:.2f}.",
    )


def _diagonal(runs: pd.DataFrame) -> tuple[str, str] | None:
    run = _run(runs, DIAGONAL_1)
    if run.empty or not run["value"].iloc[-1] > run["value"].iloc[0]:
        return None
    last = run.iloc[-1]
    rate = certificate(CLASSIC).diagonal_rate
    return (
        "Accuracy hides divergence",
        f"Unit-step diagonal Newton shows {100 * last['test_accuracy']:.0f} % test accuracy at its end, while its "
        f"training loss is {last['value']:.2g} (peak {run['value'].max():.2g}; it started at "
        f"{run['value'].iloc[0]:.3f}). The largest eigenvalue of D^-1 H at the start is {rate:.1f}, and a unit step is "
        "stable only below 2.",
    )


def _penalised(runs: pd.DataFrame) -> tuple[str, str] | None:
    last = one_row_a_run(runs[runs["problem"] == PENALISED])
    converged = last[last["status"] == "converged"]
    if len(converged) < 2:
        return None
    start = runs[(runs["problem"] == PENALISED) & (runs["iteration"] == 0)]["gap"].iloc[0]
    worst = converged["gap"].max() / start
    rest = last[last["status"] != "converged"]
    others = "; ".join(
        f"{row['label']} ended by {row['status']} at a relative gap of {row['gap'] / start:.1e}"
        for _, row in rest.iterrows()
    )
    return (
        "With a penalty there is an answer, and those who say they found it did",
        f"On {PENALISED} {len(converged)} of {len(last)} solvers ended as converged, and all of these lie within "
        f"{worst:.1e} of the certified optimum, relative to where they started" + (f". {others}." if others else "."),
    )
