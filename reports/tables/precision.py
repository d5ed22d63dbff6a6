"""How close to the optimum each precision can get."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..data.repeats import groups, keys, without_constant
from ..data.targets import NO_GAPS
from .convergence_claims import UNIT

SETUP = ["machine", "problem", "solver", "label", "device"]
DTYPES = ("float32", "float64")


def precision(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a solver on a problem, each column a precision. A cell is the smallest relative gap (f - f*) / (f(x0)
    - f*) of any run, and how that run ended. < t: smaller than the uncertainty of f*, which has a
    column of its own."""
    rows = []
    there = frame[(frame["no_gap"] == "") & (frame["status"] != "error")] if len(frame) else frame
    for about, cell in groups(there, SETUP):
        start = cell.loc[cell["iteration"] == 0, "gap"].iloc[0]
        floor = (cell["optimum_error"].iloc[0] + UNIT["float64"] * abs(cell["optimum"].iloc[0])) / start
        cells = {dtype: _cell(cell[cell["dtype"] == dtype], start, floor) for dtype in DTYPES}
        rows.append(
            about | cells | {"uncertainty of f*": "-" if np.isnan(floor) else f"{floor:.1e}", "runs": keys(cell)}
        )
    if not rows:
        return pd.DataFrame([{"measured": NO_GAPS}])
    table = without_constant(pd.DataFrame(rows).drop(columns="solver"), "machine", "device")
    return table.rename(columns={"label": "solver"})


def _cell(runs: pd.DataFrame, start: float, floor: float) -> str:
    """1.3e-09 (converged): the best of these runs; a dash where there is none."""
    finite = runs[np.isfinite(runs["gap"])]
    if finite.empty:
        return "-" if runs.empty else "no finite gap"
    best = finite.loc[finite["gap"].idxmin()]
    gap = best["gap"] / start
    return f"< {floor:.1e} ({best['status']})" if gap < floor else f"{gap:.1e} ({best['status']})"
