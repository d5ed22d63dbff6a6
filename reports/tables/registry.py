"""Tables: pure functions of the frame of runs. A table's docstring is its caption."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from datasets import DataError, certificate
from datasets.registry import SIZED

from ..data.provenance import keys
from ..data.statistics import (
    CELL,
    Estimate,
    endings,
    estimate,
    estimate_censored,
    marked,
    one_row_a_run,
    show,
    varying,
    waited,
)
from ..data.targets import TARGETS, absent, time_to_target
from .claims import claims
from .converged import honesty
from .costs import break_even, devices, iteration_cost
from .precision import precision


def raced(frame: pd.DataFrame) -> pd.DataFrame:
    """Without the runs for the cost of an iteration alone (sized problems, no test), unless there are no others."""
    sized = frame["problem"].map({name: bool(SIZED.fullmatch(name)) for name in frame["problem"].unique()})
    racing = frame[~sized | frame["rules"].str.contains("gap|gradient")]
    return frame if racing.empty else racing


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Every case at its end: iterations, seconds of the whole run (median [95 % interval] over the repeats), mean
    training loss with its penalty at the last iterate and at the best, mean test loss likewise, test accuracy at the
    last iterate, and how the runs ended: where not all ended alike, how many in which way, and the other columns but
    the time are of the first that did not raise. Losses and accuracies are computed in float64 after the run.
    Disturbed: a run that waited for other work on the machine for a tenth of its time or more; its time says little."""
    rows = []
    for key, cell in frame.groupby(CELL, sort=False):
        last = one_row_a_run(cell).sort_values("repeat", kind="stable")
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
    """What the end of a run says after its status, where it is a known minimum and not the lowest."""
    value = end.get("local_minimum", math.nan)  # older runs do not say
    return "" if math.isnan(value) else f", local minimum {value:.6g}"


def targets(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Seconds to each target of a kind ("gap" or "accuracy"), as numbers: one row a case and target. A gap is relative
    to f(x0) - f*. A median that is infinite lies above `beyond` seconds; where that is infinite too, half of the
    repeats or more ended by themselves and never get there. A repeat that raised is one of these."""
    rows = []
    for key, cell in frame.groupby(CELL, sort=False):
        runs = [run for _, run in cell.groupby("run", sort=False)]
        if (cell["status"] == "error").all() or absent(cell, kind):
            continue
        waits = [waited(run) for run in runs]
        times = np.array([[time_to_target(run, kind, goal) for goal in TARGETS[kind]] for run in runs])
        for target, column in zip(TARGETS[kind], times.T, strict=True):
            rows.append(dict(zip(CELL, key, strict=True)) | {"target": target} | vars(estimate_censored(column, waits)))
    return pd.DataFrame(rows, columns=[*CELL, "target", *Estimate.__dataclass_fields__])


def _wide(frame: pd.DataFrame, kind: str, name: Callable[[float], str]) -> pd.DataFrame:
    """One row a case, one column a target; a case without the target says why."""
    found = {
        (*row[: len(CELL)], row[len(CELL)]): Estimate(*row[len(CELL) + 1 :])
        for row in targets(frame, kind).itertuples(index=False, name=None)
    }
    rows = []
    for key, cell in frame.groupby(CELL, sort=False):
        why = "error" if (cell["status"] == "error").all() else absent(cell, kind)
        cells = {name(t): marked(show(found[*key, t]), cell) if (*key, t) in found else why for t in TARGETS[kind]}
        rows.append(dict(zip(CELL, key, strict=True)) | cells | {"runs": keys(cell)})
    return varying(pd.DataFrame(rows))


def time_to_gap(frame: pd.DataFrame) -> pd.DataFrame:
    """Time until f - f* is at most the given part of f(x0) - f*, with f* certified and the same for all: median [95 %
    bootstrap interval] over the repeats. > t: a limit of time or iterations stopped the runs, and the median is above
    t. Never: the runs ended by themselves before they were there. Where no minimiser exists or f* is not known there is
    no such time. Times after iteration 100 are upper ends, of intervals of at most 12 %."""
    return _wide(frame, "gap", lambda t: f"{t:.0e}")


def time_to_accuracy(frame: pd.DataFrame) -> pd.DataFrame:
    """Time until the share of correctly classified test rows first reaches the given value: median [95 % bootstrap
    interval] over the repeats. > t: a limit of time or iterations stopped the runs, and the median is above t. Never:
    the runs ended by themselves before they were there. Times after iteration 100 are upper ends, of intervals of at
    most 12 %."""
    held_out = frame.groupby("problem")["test_accuracy"].transform(lambda shares: shares.notna().any())
    return _wide(frame[held_out], "accuracy", lambda t: f"{t:.2f}")


def problems(frame: pd.DataFrame) -> pd.DataFrame:
    """What is certified about each problem: whether its classes can be separated (the margin is the largest
    min_i (2 y_i - 1) x_i w with max |w_j| <= 1), whether a minimiser exists, the interval that holds f* (mean loss) and
    why, the condition number of the Hessian there (at the start if there is none), and the largest eigenvalue of
    D^-1 H at the start: above 2 unit-step diagonal Newton is unstable. A dash: not known, or without sense."""
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
                "rate of D^-1 H": c.diagonal_rate,
            }
        )
    return pd.DataFrame(rows)


def environment(frame: pd.DataFrame, metadata: dict[str, dict]) -> pd.DataFrame:
    """Machines that took part, and what each reached in the same session, best of five: GEMM and Cholesky (POTRF) of
    order 512 and SYRK (X^T X of 80,000 x 100) in GFLOP/s, triad and copies from host to device (on the CPU within its
    memory) in GB/s, and in microseconds a kernel of eight numbers and a number read by the host."""
    rows = []
    setup = ["machine", "device", "dtype", "threads"]
    for key, cell in frame.groupby(setup, sort=False):
        known = metadata[cell["run"].iloc[0]]
        rows.append(
            dict(zip(setup, key, strict=True))
            | {
                name.replace("_gflops", " GFLOP/s").replace("_gbs", " GB/s").replace("_us", " us"): v
                for name, v in known["calibration"].items()
            }
            | {"torch": known["environment"]["packages"]["torch"], "BLAS": known["environment"]["blas"]}
            | {"runs": keys(cell)}
        )
    return pd.DataFrame(rows)


TABLES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "claims": claims,
    "summary": summary,
    "honesty": honesty,
    "time-to-gap": time_to_gap,
    "time-to-accuracy": time_to_accuracy,
    "precision": precision,
    "iteration-cost": iteration_cost,
    "devices": devices,
    "break-even": break_even,
    "problems": problems,
}
