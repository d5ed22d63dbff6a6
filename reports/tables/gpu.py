"""What `python -m benchmarks gpu` measured: the CPU beside the device by size, and kernels against the roofline."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..text import seconds
from .record import Table

SAME = ["solver", "dtype", "n", "d"]
TIMES = ["cold", "warm", "low", "high", "transfer"]


def pairs(sizes: pd.DataFrame) -> pd.DataFrame:
    """The cells that both the CPU and a device have, with the columns of `sizes` once for each, and their ratios:
    `speed-up` of warm iterations, from `least` to `most` as the repeats allow, and `once`, with the transfer and the
    first run of all."""
    ran = sizes[sizes["warm"].notna()]
    cpu, other = (ran[ran["device"].eq("cpu") == here] for here in (True, False))
    found = other.merge(cpu[[*SAME, *TIMES, "threads"]], on=SAME, suffixes=("", " cpu"))
    transfer = found["transfer"] / found["iterations"]
    return found.assign(
        **{
            "speed-up": found["warm cpu"] / found["warm"],
            "least": found["low cpu"] / found["high"],
            "most": found["high cpu"] / found["low"],
            "once": found["cold cpu"] / (found["cold"] + transfer),
        }
    )


def speedups(sizes: pd.DataFrame) -> pd.DataFrame:
    """Each row is a problem size, a solver and a precision: the time of an iteration on the CPU and on the device, the
    median of the repeats, and their ratio, with its range over the repeats. Once: the same ratio for a single run, with
    the data brought to the device and everything done for the first time."""
    found = pairs(sizes).sort_values([*SAME[:2], "n", "d"], kind="stable")
    ranges = zip(found["speed-up"], found["least"], found["most"], strict=True)
    return pd.DataFrame(
        {
            **{name: found[name] for name in SAME},
            "CPU": found["warm cpu"].map(seconds),
            "device": found["warm"].map(seconds),
            "speed-up": [f"{ratio:.3g} [{low:.3g}, {high:.3g}]" for ratio, low, high in ranges],
            "once": found["once"].map("{:.3g}".format),
        }
    )


def reached(kernels: pd.DataFrame) -> pd.DataFrame:
    """Each row is a kernel at a size: its time on the device, GFLOP/s and GB/s by formula, and how much of the roofline
    it reaches: the least time that products of matrices and reads of memory would allow, over the time it took."""
    return pd.DataFrame(
        {
            **{name: kernels[name] for name in ("kernel", "dtype", "n", "d")},
            "time": kernels["seconds"].map(seconds),
            "GFLOP/s": kernels["gflops"].map("{:.4g}".format),
            "GB/s": kernels["gbs"].map("{:.4g}".format),
            "of the roofline": (100 * kernels["of_roofline"]).map("{:.0f} %".format),
        }
    )


def variants(compared: pd.DataFrame) -> pd.DataFrame:
    """Each row is a way that may be faster on a GPU and is not the usual one: the time of a whole run of
    newton-cholesky without and with it, medians of pairs of runs, and the ratio with its range over the pairs. The gap
    is what the run with it proves, relative to f. A dash: the run did not come to an end, for the reason given."""
    ranges = zip(compared["ratio"], compared["low"], compared["high"], strict=True)
    table = pd.DataFrame(
        {
            **{name: compared[name] for name in ("variant", "dtype", "n", "d")},
            "without": compared["usual"].map(seconds),
            "with": compared["seconds"].map(seconds),
            "times as fast": [f"{ratio:.3g} [{low:.3g}, {high:.3g}]" for ratio, low, high in ranges],
            "gap": compared["gap_bound"].map("{:.1e}".format),
            "status": compared["status"],
        }
    )
    table.loc[compared["ratio"].isna(), ["without", "with", "times as fast", "gap"]] = "-"
    return table


def failures(sizes: pd.DataFrame) -> pd.DataFrame:
    """Each row is a reason why sizes were not timed on a device, with how many and the smallest of them."""
    none = sizes[sizes["warm"].isna()].assign(entries=lambda frame: frame["n"] * frame["d"])
    none = none.assign(reason=none["status"].str.replace(r"some [0-9.]+ s are", "too long is", regex=True))
    rows = [
        {"device": device, "reason": reason, "cells": len(cell), "smallest": f"{first['n']} x {first['d']}"}
        for (device, reason), cell in none.groupby(["device", "reason"], sort=True)
        for first in [cell.loc[cell["entries"].idxmin()]]
    ]
    return pd.DataFrame(rows)


def break_even(sizes: pd.DataFrame) -> pd.DataFrame:
    """Each row is a solver and a precision: the smallest problem, by its number of entries, from which on the device
    was faster at every larger size that was measured. Once: the same for a single run, transfer included."""
    rows = []
    for (solver, dtype), cell in pairs(sizes).groupby(["solver", "dtype"], sort=True):
        cell = cell.assign(entries=cell["n"] * cell["d"]).sort_values("entries", kind="stable")
        rows.append({"solver": solver, "dtype": dtype} | {name: _from(cell, name) for name in ("speed-up", "once")})
    return pd.DataFrame(rows)


def _from(cell: pd.DataFrame, ratio: str) -> str:
    slower = np.flatnonzero(~(cell[ratio] > 1).to_numpy())
    first = slower[-1] + 1 if len(slower) else 0
    if first == len(cell):
        return "not within these sizes"
    return f"{cell['n'].iloc[first]:,} x {cell['d'].iloc[first]:,}"


BREAK_EVEN = Table("gpu-break-even", break_even, "From which size on a GPU is faster")
SPEEDUPS = Table("gpu-speed-ups", speedups)
KERNELS = Table("gpu-kernels", reached)
VARIANTS = Table("gpu-variants", variants)
FAILURES = Table("gpu-not-timed", failures)
