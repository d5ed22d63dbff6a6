"""What an iteration costs: by solver and size, and on one device against another."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from datasets import DataError, certificate
from datasets.registry import SIZED

from ..data.repeats import CASE_COLUMNS, groups, keys, last_rows, marked, varying, without_constant
from ..statistics.bootstrap import ratio
from ..statistics.estimate import estimate, show
from ..text import show_ratio

GRADIENT_DESCENT = "gradient-descent"
NO_PAIRS = (
    "No run was made on another device than the CPU: "
    "`python -m benchmarks run --suite sweep --device cpu --device cuda` makes some."
)


def seconds_an_iteration(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a run that took at least one step: the cell's keys, and `cost`, from the start to the last iterate."""
    last = last_rows(frame[frame["status"] != "error"]).sort_index()
    last = last[last["iteration"] > 0]
    return last.assign(cost=last["seconds"] / last["iteration"])


def size(problem: str) -> tuple[int | None, int | None]:
    """Rows and coefficients; None where the problem or its data is not here."""
    if named := SIZED.fullmatch(problem):
        n, d = named.groups()[-2:]
        return int(n), int(d)
    try:
        known = certificate(problem)
    except (DataError, ValueError):
        return None, None
    return known.n, known.d


def iteration_cost(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a case: the time of an iteration, line searches and tests of convergence included, as the median [95
    % interval] of the repeats, and as a multiple of gradient descent's on the same problem."""
    costs = seconds_an_iteration(frame)
    same = ["machine", "problem", "dtype", "device", "threads"]
    rows = []
    for about, cell in groups(costs):
        n, d = size(about["problem"])
        base = costs[(costs[same] == cell[same].iloc[0]).all(axis=1) & (costs["label"] == GRADIENT_DESCENT)]
        measured = {
            "n": n,
            "d": d,
            "iterations": int(cell["iteration"].median()),
            "an iteration": marked(show(estimate(cell["cost"])), cell),
            "times gradient descent's": "-" if base.empty else show_ratio(*ratio(cell["cost"], base["cost"])),
        }
        rows.append(about | measured | {"runs": keys(cell)})
    columns = [*CASE_COLUMNS, "n", "d", "iterations", "an iteration", "times gradient descent's", "runs"]
    return varying(pd.DataFrame(rows, columns=columns))


def pairs(frame: pd.DataFrame) -> Iterator[dict]:
    """Each cell that was measured on the CPU and on another device of the same host, with both times an iteration."""
    costs = seconds_an_iteration(frame)
    costs = costs.assign(host=costs["machine"].str.split("; ").str[-1])  # a GPU's machine ends with its host
    for about, cell in groups(costs, ["host", "problem", "solver", "label", "dtype"]):
        n, d = size(about["problem"])
        on_cpu = cell[cell["device"] == "cpu"]
        for device, there in cell[cell["device"] != "cpu"].groupby("device", sort=False):
            for threads, here in on_cpu.groupby("threads", sort=False):
                found, low, high = ratio(here["cost"], there["cost"])
                yield {
                    **about,
                    **{"device": device, "n": n, "d": d, "CPU threads": threads},
                    "on the CPU": marked(show(estimate(here["cost"])), here),
                    "on the device": marked(show(estimate(there["cost"])), there),
                    **{"speed-up": found, "low": low, "high": high},
                    "runs": (*keys(here), *keys(there)),
                }


def devices(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a case that was run on the CPU and on another device of the same host: the time of an iteration on
    each, median [95 % interval] of the repeats, and how many times as fast the device is. The data is on the device
    before the clock starts."""
    columns = ("device", "problem", "n", "d", "label", "dtype", "CPU threads", "on the CPU", "on the device")
    found = [
        {name: pair[name] for name in columns}
        | {"speed-up": show_ratio(pair["speed-up"], pair["low"], pair["high"]), "runs": pair["runs"]}
        for pair in pairs(frame)
    ]
    return pd.DataFrame(found).rename(columns={"label": "solver"}) if found else pd.DataFrame([{"measured": NO_PAIRS}])


def break_even(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a solver and a number of columns d: the number of rows from which the device is faster than the CPU,
    interpolated between the sizes that were measured. Only synthetic problems that differ in nothing but their size
    take part."""
    table = pd.DataFrame(pair for pair in pairs(frame) if SIZED.fullmatch(pair["problem"]))
    if table.empty:
        return pd.DataFrame([{"measured": NO_PAIRS}])
    rows = []
    table["kind"] = table["problem"].str.rsplit("-", n=1).str[0]
    same = ["host", "kind", "device", "label", "dtype", "CPU threads", "d"]
    for about, cell in groups(table, same):
        cell = cell.sort_values("n")
        measured = {
            "sizes": ", ".join(f"{n:,}" for n in cell["n"]),
            "speed-ups": ", ".join(f"{s:.3g}" for s in cell["speed-up"]),
            "rows to break even": crossing(cell["n"].to_numpy(float), cell["speed-up"].to_numpy(float)),
        }
        rows.append(about | measured | {"runs": tuple(run for runs in cell["runs"] for run in runs)})
    found = without_constant(pd.DataFrame(rows).drop(columns="host"), "kind")
    return found.rename(columns={"kind": "problems", "label": "solver"})


def crossing(n: np.ndarray, speedup: np.ndarray) -> str:
    """The last n at which the speed-up rises through 1; a bound where it lies outside of what was measured."""
    above = speedup >= 1
    if above.all():
        return f"below {n[0]:,.0f}"
    if not above[-1]:
        return f"above {n[-1]:,.0f}"
    k = int(np.flatnonzero(~above)[-1])  # from k to k + 1 it crosses, and stays above
    x, y = np.log(n[k : k + 2]), np.log(speedup[k : k + 2])
    return f"{math.exp(x[0] - y[0] * (x[1] - x[0]) / (y[1] - y[0])):,.0f}"
