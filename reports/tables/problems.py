"""What is certified about the problems, and what the machines reach."""

from __future__ import annotations

import pandas as pd

from datasets import DataError, certificate

from ..data.repeats import groups, keys
from ..data.runs import Runs


def with_metadata(runs: Runs) -> tuple:
    return runs.frame, runs.metadata


def problems(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a problem: whether its classes can be separated, and by what margin; whether a minimiser exists; the
    interval that holds f*, and by which proof; the condition number of the Hessian there. Last, the largest eigenvalue
    of D^-1 H at the start: above 2, unit-step diagonal Newton is unstable."""
    rows = []
    for name in frame["problem"].unique():
        try:
            c = certificate(name)
        except (DataError, ValueError):
            continue  # runs from elsewhere, whose data or whose problem is not here
        rows.append(
            {
                "problem": name,
                "model": c.family,
                "n": c.n,
                "d": c.d,
                "classes": c.classes or "-",
                "margin": c.margin,
                "minimiser": {True: "exists", False: "none", None: "not known"}[c.minimiser],
                "f* from": c.low,
                "to": c.high,
                "certified by": c.bound,
                "cond H": c.condition,
                "lambda_max(D^-1 H)": c.diagonal_rate,
            }
        )
    return pd.DataFrame(rows)


def environment(frame: pd.DataFrame, metadata: dict[str, dict]) -> pd.DataFrame:
    """Each row is a machine and a setup, with what it reached in the same session, best of five: matrix products (GEMM,
    SYRK) and Cholesky (POTRF) in GFLOP/s, memory (triad) and copies to the device in GB/s, the shortest kernel and a
    number read by the host in microseconds."""
    units = {"_gflops": " GFLOP/s", "_gbs": " GB/s", "_us": " us"}
    rows = []
    for about, cell in groups(frame, ["machine", "device", "dtype", "threads"]):
        known = metadata[cell["run"].iloc[0]]
        rates = known["calibration"]
        for suffix, unit in units.items():
            rates = {name.replace(suffix, unit): rate for name, rate in rates.items()}
        built = {"torch": known["environment"]["packages"]["torch"], "BLAS": known["environment"]["blas"]}
        rows.append(about | rates | built | {"runs": keys(cell)})
    return pd.DataFrame(rows)
