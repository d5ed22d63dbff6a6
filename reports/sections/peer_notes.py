"""What a reader must know of rows that are methods of other libraries."""

from __future__ import annotations

import pandas as pd

from solvers.common.names import library

NOTE = (
    "A name library:method is a method of another library, which cannot be stepped: each of its points is a solve of "
    "its own, from the start, with so many iterations allowed, and its time that of this whole solve, with all the "
    "library does before and after its iterations. After iteration 10 its points are a third apart. It was told the "
    "tolerance of the gap as its own, which is of the gradient, of the step or of the value; that it converged is what "
    "it claims."
)
TABLES = {"summary", "honesty", "time-to-gap", "time-to-accuracy", "precision", "iteration-cost"}


def peer_note(frame: pd.DataFrame) -> str:
    """The note, with a space before it; empty where all runs are ours."""
    return f" {NOTE}" if len(frame) and frame["solver"].map(library).any() else ""
