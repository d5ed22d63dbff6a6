"""What the runs show, in plain words: the sentences that the data fills, ranked by it."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from solvers import Status

from .correctness import false_convergence, no_minimiser, not_known
from .fastest import fastest
from .finding import FASTEST, Finding
from .overfitting import diverged, overfitted
from .settings import precision, threads

SHOWN = 3  # the rest unfolds
SENTENCES = (fastest, false_convergence, no_minimiser, not_known, overfitted, diverged, precision, threads)


def findings(frame: pd.DataFrame) -> list[Finding]:
    """First which solver is fastest, then of each other question the answer about the most decades, then all the rest.

    Machines are never pooled: where there are several, each finding names its own.
    """
    frame = frame[frame["status"] != Status.ERROR]
    found = []
    for machine, runs in frame.groupby("machine", sort=False):
        where = f" On {machine}." if frame["machine"].nunique() > 1 else ""
        for make in SENTENCES:
            found += [replace(finding, text=finding.text + where) for finding in make(runs)]
    found.sort(key=lambda finding: -finding.decades)
    best = {finding.question: finding for finding in reversed(found)}.values()
    return sorted(found, key=lambda finding: (finding not in best, finding.question != FASTEST))


def markdown(found: list[Finding]) -> str:
    """The first three as a list."""
    return "".join(f"- **{finding.heading}.** {finding.text}\n" for finding in found[:SHOWN])
