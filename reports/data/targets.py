"""Targets of accuracy, and the one function that says when a run reached them."""

from __future__ import annotations

import math

import pandas as pd

TARGETS = {"gap": tuple(10.0**-k for k in range(2, 11)), "accuracy": (0.90, 0.93, 0.95, 0.96)}
GAP = 1e-6  # relative to f(x0) - f*: the target of comparisons, rankings and findings
NO_MINIMISER = "no minimiser"  # what `no_gap` says where a certificate proves that there is none
NO_GAPS = "No problem here has a certified f*: `python -m benchmarks run --suite quick` measures some."
NO_ACCURACY = "no accuracy"  # a test function has no held-out rows


def reached(frame: pd.DataFrame, kind: str, goal: float) -> pd.Series:
    """Whether each kept iterate meets a target: gap <= goal times the gap of its run's start, or test accuracy >=
    goal."""
    if kind == "accuracy":
        return frame["test_accuracy"] >= goal
    start = frame.drop_duplicates("run").set_index("run")["gap"]
    return frame["gap"] <= goal * frame["run"].map(start)


def times_to_target(frame: pd.DataFrame, kind: str = "gap", goal: float = GAP) -> pd.Series:
    """By run, in the order of the frame, the seconds of its first kept iterate that meets a target, else infinity.

    Between kept iterates the time lies after the previous one: this is its upper end. All of the first hundred are
    kept; after them neighbours are 12 % apart.
    """
    first = frame[reached(frame, kind, goal)].drop_duplicates("run").set_index("run")["seconds"]
    return first.reindex(frame["run"].unique(), fill_value=math.inf).astype(float)


def why_no_target(cell: pd.DataFrame, kind: str) -> str:
    """Why a case has no targets of a kind; empty where it has."""
    if kind == "gap":
        return cell["no_gap"].iloc[0]
    return NO_ACCURACY if cell["test_accuracy"].isna().all() else ""
