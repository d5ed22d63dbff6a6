"""Stored runs as an experiment of OptiProfiler's Python version: what `benchmark(None, load="latest")` loads.

OptiProfiler keeps a folder per experiment with test_log/data_for_loading.h5 and a time_stamp_*.txt beside it. The
archive has a group per problem library. With P problems, S solvers, R runs and M evaluations that holds fun_histories
(P, S, R, M), fun_outs (P, S, R), fun_inits (P, R), the same of maxcv (violated constraints: ours have none) and of
merit (of both: here f), n_evals, computation_times and what its profiles need to know of each problem.

A run of OptiProfiler is a repeat under noise. Ours repeat the same iterates to time them, so R = 1: the first repeat of
each case, with the median time of all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from solvers.common.files import written_whole

from .benchopt import solver_names

LIBRARY = "hessbench"
SOURCE = "hessbench: certified minimum, the middle of its interval"
BOUNDS = ("b", "lcon", "nlcon", "con")  # the kinds of constraints that an archive counts for each problem


def to_optiprofiler(frame: pd.DataFrame, size: Callable[[str], int]) -> dict[str, Any]:
    """The group of an archive, by name. size: the number of coefficients of a problem, which data profiles divide by.

    A certified minimum becomes the reference that OptiProfiler measures against, so that its tolerance is our relative
    gap; without one it takes the best value that a solver found. ValueError where there are not two solvers.
    """
    frame = frame.assign(name=solver_names(frame))
    problems, solvers = list(frame["problem"].unique()), list(frame["name"].unique())
    if len(solvers) < 2:
        raise ValueError(f"OptiProfiler compares two solvers or more, and the runs are all of {solvers[0]!r}")
    cells = {key: cell for key, cell in frame.groupby(["problem", "name"], sort=False)}
    curves = {key: history(cell) for key, cell in cells.items()}
    longest = max((len(curve) for curve in curves.values()), default=0)
    if not longest:
        raise ValueError("no run has a value of its objective: there is nothing to export")
    shape = (len(problems), len(solvers), 1)
    histories, outs = np.full((*shape, longest), np.nan), np.full(shape, np.nan)
    evaluations, seconds, success = np.zeros(shape, np.int64), np.full(shape, np.nan), np.zeros(shape, bool)
    inits = np.full((len(problems), 1), np.nan)
    for (problem, name), curve in curves.items():
        at = (problems.index(problem), solvers.index(name), 0)
        seconds[at] = cells[problem, name].groupby("run")["total_seconds"].first().median()
        if not len(curve):
            continue
        histories[at][: len(curve)], histories[at][len(curve) :] = curve, curve[-1]  # OptiProfiler pads so, too
        evaluations[at], outs[at] = len(curve), curve[-1]
        inits[at[0]] = curve[0] if np.isnan(inits[at[0]]) else inits[at[0]]
        success[at] = True
    kept = np.flatnonzero(~np.isnan(inits[:, 0]))
    if len(kept) < len(problems):  # every solver failed at once: such a problem has no start to measure from
        problems, inits = [problems[k] for k in kept], inits[kept]
        histories, outs, evaluations, seconds, success = (
            array[kept] for array in (histories, outs, evaluations, seconds, success)
        )
    values = {"histories": histories, "outs": outs, "inits": inits}
    none = np.zeros(len(problems), np.int64)
    dimensions = np.array([size(problem) for problem in problems], np.int64)
    return {
        "plib": LIBRARY,
        "solver_names": solvers,
        "problem_names": problems,
        "problem_types": ["u"] * len(problems),
        "problem_dims": dimensions,
        **{f"problem_m{kind}s": none for kind in BOUNDS},
        **{f"{kind}_{name}": array for kind in ("fun", "merit") for name, array in values.items()},
        **{f"maxcv_{name}": np.where(np.isnan(array), np.nan, 0.0) for name, array in values.items()},
        "n_evals": evaluations,
        "computation_times": seconds,
        "solvers_successes": success,
        "solver_abnormal_terminations": ~success,
        "solver_output_fallbacks": ~success,
        "reference_records": [json.dumps([reference(frame, problem)]) for problem in problems],
        "reference_fallback_reasons": ["[null]"] * len(problems),
        "reference_history_failures": ["[]"] * len(problems),
        **{"feature_stamp": "plain", "ptype": "u", "problem_names_options": [], "excludelist": []},
        **{"mindim": int(dimensions.min()), "maxdim": int(dimensions.max())},
        **{f"{end}{kind}": 0 for end in ("min", "max") for kind in BOUNDS},
    }


def size(problem: str) -> int:
    """The number of coefficients of a problem, from its certificate. Raises DataError or ValueError where it is not
    known here, as that of a plug-in."""
    from datasets import certificate

    return certificate(problem).d


def history(cell: pd.DataFrame) -> np.ndarray:
    """f after each evaluation of f, of the first repeat of a case: the value at the newest iterate that is recorded.

    Evaluations are those that were counted, and one an iterate at least: a method that never looks at f is not free.
    Empty where the first iterate has no value.
    """
    run = cell[cell["run"] == cell["run"].iloc[0]].sort_values("iteration")
    values, found = run["value"].to_numpy(float), np.empty(0)
    if not len(run) or np.isnan(values[0]):
        return found
    counted = run["values"].to_numpy(float) if "values" in run else np.full(len(run), np.nan)
    ends, before = [], (0, -1)
    for count, iteration in zip(np.nan_to_num(counted), run["iteration"], strict=True):
        ends.append(max(int(count), before[0] + int(iteration) - before[1]))
        before = (ends[-1], int(iteration))
    found = np.full(ends[-1], values[0])
    for start, value in zip(ends, values, strict=True):
        found[start - 1 :] = np.inf if np.isnan(value) else value
    return found


def reference(frame: pd.DataFrame, problem: str) -> dict[str, Any] | None:
    """What OptiProfiler calls a reference: the certified minimum of a problem, if there is one."""
    first = frame[frame["problem"] == problem].iloc[0]
    if first["no_gap"] != "" or not np.isfinite(first["optimum"]):
        return None
    return {"fun": float(first["optimum"]), "maxcv": 0.0, "kind": "feasible", "source": SOURCE}


def write(group: Mapping[str, Any], folder: Path, date: str) -> Path:
    """Write the folder of an experiment, and return it. date: of the newest run; it becomes the time stamp."""
    import h5py

    stamp = datetime.fromisoformat(date).strftime("%Y%m%d_%H%M%S")
    log = folder / f"{LIBRARY}_{stamp}" / "test_log"
    content = BytesIO()  # h5py reads what it writes, and a file that is written whole cannot be read before it is there
    with h5py.File(content, "w") as archive:
        place = archive.create_group("plib_0")
        for name, value in group.items():
            texts = isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, str) for one in value))
            packed = {"compression": "gzip"} if isinstance(value, np.ndarray) else {}
            place.create_dataset(
                name, data=np.array(value, dtype=h5py.string_dtype()) if texts else np.asarray(value), **packed
            )
    with written_whole(log / "data_for_loading.h5") as file:
        file.write(content.getvalue())
    with written_whole(log / f"time_stamp_{stamp}.txt") as file:  # last: what it names is complete
        file.write(stamp.encode())
    return log.parent
