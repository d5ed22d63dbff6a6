"""Targets of accuracy, and the one way to tell when a run reached them."""

from __future__ import annotations

import math

import pandas as pd

TARGETS = {"gap": tuple(10.0**-k for k in range(2, 11)), "accuracy": (0.90, 0.93, 0.95, 0.96)}
GAP = 1e-6  # relative to f(x0) - f*: the target of comparisons, rankings and findings
NO_MINIMISER = "no minimiser"  # what `no_gap` says where a certificate proves that there is none
NO_ACCURACY = "no accuracy"  # a test function has no held-out rows


def reached(run: pd.DataFrame, kind: str, goal: float) -> pd.Series:
    """Whether each kept iterate of a run meets a target: gap <= goal times the gap of the start, or test accuracy >=
    goal."""
    return run["gap"] <= goal * run["gap"].iloc[0] if kind == "gap" else run["test_accuracy"] >= goal


def time_to_target(run: pd.DataFrame, kind: str, goal: float) -> float:
    """Seconds of the first kept iterate of a run that meets a target, else infinity.

    Between kept iterates the time lies after the previous one: this is its upper end. All of the first hundred are
    kept; after them neighbours are 12 % apart.
    """
    there = reached(run, kind, goal).to_numpy()
    return float(run["seconds"].to_numpy()[there.argmax()]) if there.any() else math.inf


def absent(cell: pd.DataFrame, kind: str) -> str:
    """Why a case has no targets of a kind; empty where it has."""
    if kind == "gap":
        return cell["no_gap"].iloc[0]
    return NO_ACCURACY if cell["test_accuracy"].isna().all() else ""
