"""A result file of benchopt as stored runs, marked as measured elsewhere.

What benchopt does not say stays unsaid: how a run ended, and f*. Gaps are to the best value in the file, and `no_gap`
says so, which keeps these runs out of every table that ranks by a certified gap.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.store.parquet import SCHEMA, constant_columns, write_table
from benchmarks.store.runs import SUFFIX

from ..data.pytest_results import utc

BY = "measured by benchopt"
NO_CERTIFICATE = f"{BY}; no certificate: a gap is to the best value found"
NOT_REPORTED = "not reported"  # how a run ended: a result file has no column for it
UNKNOWN = "unknown"
NAMES = ("dataset_name", "objective_name", "solver_name")
NUMBERS = ("stop_val", "time", "objective_value")
OPTIONAL = ("idx_rep", "sampling_strategy", "run_date", "system-cpus", "system-processor", "env-OMP_NUM_THREADS")
PARAMETER = "p_solver_"
FORMER = {"data_name": "dataset_name"}  # a column's name in files of benchopt before 1.7
RULES = "as benchopt stopped it"


def read(path: Path) -> pd.DataFrame:
    """The rows of a result file that have a time and a value. ValueError, one sentence, where it is none. Columns of
    pickled objects, which benchopt may add, are not read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
        missing = [name for name in (*NAMES, *NUMBERS) if name not in {FORMER.get(found, found) for found in names}]
        if missing:
            raise ValueError(f"{str(path)!r} is no result file of benchopt: it has no column {', '.join(missing)}")
        wanted = {*NAMES, *NUMBERS, *OPTIONAL, *FORMER}
        chosen = [name for name in names if name in wanted or name.startswith(PARAMETER)]
        rows = pq.read_table(path, columns=chosen).to_pandas().rename(columns=FORMER)
    except OSError as error:
        raise ValueError(f"{str(path)!r} cannot be read: {str(error).splitlines()[0]}") from None
    except pa.ArrowInvalid:
        raise ValueError(f"{str(path)!r} is no Parquet file, or a damaged one") from None
    for name in NUMBERS:
        numbers = pd.to_numeric(rows[name], errors="coerce")
        if (numbers.isna() & rows[name].notna()).any():
            raise ValueError(f"{str(path)!r} is no result file of benchopt: its column {name} holds more than numbers")
        rows[name] = numbers.astype(float)
    rows = rows[rows["time"].notna() & rows["objective_value"].notna() & rows["stop_val"].notna()]
    if rows.empty:
        raise ValueError(f"{str(path)!r} has no row with a time and a value")
    return rows


def runs(rows: pd.DataFrame) -> Iterator[tuple[str, list[dict[str, Any]], dict[str, Any]]]:
    """For each curve of a result file its key, its rows as ours, and its metadata."""
    rows = rows.assign(idx_rep=pd.to_numeric(rows["idx_rep"]).astype(int) if "idx_rep" in rows else 0)
    best = rows.groupby(["dataset_name", "objective_name"])["objective_value"].min()
    for (data, objective, solver, repeat), curve in rows.groupby([*NAMES, "idx_rep"], sort=False):
        curve = in_order(curve.drop_duplicates("stop_val", keep="last"))
        known = described(curve.iloc[0], f"{data}--{objective}", str(solver), int(repeat))
        points = [
            {
                "iteration": int(iteration),
                "seconds": float(point["time"]),
                "value": float(point["objective_value"]),
                "gap": float(point["objective_value"] - best[data, objective]),
            }
            for iteration, (_, point) in zip(iterations(curve), curve.iterrows(), strict=True)
        ]
        common = known | {"total_seconds": points[-1]["seconds"]}
        key = hashlib.sha256(json.dumps([common, points], sort_keys=True).encode()).hexdigest()[:20]
        settings = json.loads(known["settings"])
        names = {name: known[name] for name in ("problem", "solver", "dtype", "device", "threads")}
        about = {
            "schema": SCHEMA,
            "case": names | {"settings": settings, "stop": {}},
            "environment": {"packages": {"torch": UNKNOWN}, "blas": UNKNOWN, "system": BY, "python": UNKNOWN},
            "calibration": {},
        }
        yield key, [{"run": key} | common | NOT_KNOWN | point for point in points], about


NOT_KNOWN = dict.fromkeys(
    (
        *("optimum", "optimum_error", "gradient_norm", "test_loss", "train_accuracy", "test_accuracy", "norm"),
        *("local_minimum", "wall_seconds", "cpu_seconds", "delay_seconds", "preempted", "load"),
    ),
    math.nan,
)


def in_order(curve: pd.DataFrame) -> pd.DataFrame:
    """A curve from its start to its end: from the loosest tolerance to the tightest, or from few iterations to many."""
    return curve.sort_values("stop_val", ascending=not by_tolerance(curve), kind="stable")


def by_tolerance(curve: pd.DataFrame) -> bool:
    return "sampling_strategy" in curve and str(curve["sampling_strategy"].iloc[0]).lower() == "tolerance"


def iterations(curve: pd.DataFrame) -> np.ndarray:
    """stop_val where it counts iterations, else the number of the point."""
    values = curve["stop_val"].to_numpy(float)
    whole = np.isfinite(values).all() and (values == np.floor(values)).all() and np.abs(values).max() < 2**53
    return values.astype(np.int64) if whole and not by_tolerance(curve) else np.arange(len(curve))


def described(row: pd.Series, problem: str, solver: str, repeat: int) -> dict[str, Any]:
    """The columns that all points of a curve share. The machine's name says who measured: clocks are not mixed."""
    settings = {
        name.removeprefix(PARAMETER): plain(value)
        for name, value in row.items()
        if str(name).startswith(PARAMETER) and not missing(value)
    }
    cores = text(row, "system-cpus")
    machine = text(row, "system-processor") or "unknown CPU"
    machine += f", {cores} cores" if cores and "cores" not in machine else ""
    threads = str(settings.get("threads", "")) or text(row, "env-OMP_NUM_THREADS")
    named = json.dumps(settings, sort_keys=True)
    return {
        **{"machine": f"{machine} ({BY})", "date": when(row), "commit": "", "code_version": BY, "disturbed": False},
        **{"problem": file_name(problem), "solver": f"benchopt:{solver}", "label": f"{solver} ({BY})"},
        **{"case": hashlib.sha256((problem + solver + named).encode()).hexdigest()[:8], "rules": RULES},
        **{"dtype": str(settings.get("dtype", UNKNOWN)), "device": str(settings.get("device", UNKNOWN))},
        **{"threads": int(threads) if threads.isdigit() else 0, "repeat": repeat, "status": NOT_REPORTED},
        **{"message": NO_CERTIFICATE, "solver_plugin": "", "problem_plugin": "", "settings": named},
        **{"deterministic": False, "budget": math.inf, "minimiser": False, "no_gap": NO_CERTIFICATE, "iterate": ""},
    }


def file_name(problem: str) -> str:
    """The name of a problem without what a file's name cannot hold: figures are named after it."""
    return re.sub(r"[^\w.=+-]+", "-", problem).strip("-.")


def missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def plain(value: Any) -> Any:
    """A parameter as JSON has it."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def text(row: pd.Series, name: str) -> str:
    value = row.get(name)
    return "" if missing(value) else str(value)


def when(row: pd.Series) -> str:
    try:
        return utc(text(row, "run_date")) or "1970-01-01T00:00:00+00:00"
    except ValueError:
        return "1970-01-01T00:00:00+00:00"


def store(rows: pd.DataFrame, folder: Path) -> list[dict[str, Any]]:
    """Write each curve as a run, under the hash of its content: importing twice changes nothing. The first row of
    each."""
    import pyarrow as pa

    firsts = []
    for key, points, about in runs(rows):
        table = pa.Table.from_pylist(points)
        write_table(folder / f"{key}{SUFFIX}", table, about | {"constant": constant_columns(points)})
        firsts.append(points[0])
    return firsts
