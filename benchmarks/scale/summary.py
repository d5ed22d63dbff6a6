"""What a session found: times and efficiencies with intervals, pure functions of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..runner.statistics import Interval, median_interval, ratio_interval
from .model import sizes
from .store import Measured

if TYPE_CHECKING:
    import pandas as pd

CONVERGED = "converged"


@dataclass(frozen=True)
class Line:
    """A solver over so many processes. strong: efficiency with the same rows in all; weak: with the same rows in each
    process; both against one process of one thread. waiting: the share of the time in collectives.

    collectives, bytes: an iteration, measured; with `_by_formula` as the counters have it. disturbed: runs that other
    work on the machine delayed.
    """

    solver: str
    network: str
    processes: int
    rows: int
    status: str
    runs: int
    disturbed: int
    seconds: Interval
    strong: Interval
    weak: Interval
    waiting: float = np.nan
    collectives: float = np.nan
    collectives_by_formula: float = np.nan
    bytes: float = np.nan
    bytes_by_formula: float = np.nan


def lines(measured: Measured) -> list[Line]:
    """Every solver over every number of processes, this machine before the networks. Where a run did not converge
    there is no efficiency."""
    fits = measured.frame[measured.frame["what"] == "fit"]
    n, each = sizes(measured)
    found = []
    for solver in measured.plan.solvers:
        own = fits[(fits["solver"] == solver) & (fits["rows"] >= each)]  # fewer are for the model
        for (network, p, rows), cell in own.groupby(["network", "processes", "rows"], sort=False):
            alone = {size: own[(own["processes"] == 1) & (own["rows"] == size)] for size in (n, each)}
            strong = alone[n] if p > 1 and rows == n else None
            weak = alone[each] if p > 1 and rows == p * each and not network else None
            found.append(_line(cell, strong, weak))
    return sorted(found, key=lambda line: (line.network != "", measured.plan.solvers.index(line.solver)))


def _line(cell: pd.DataFrame, strong: pd.DataFrame | None, weak: pd.DataFrame | None) -> Line:
    first = cell.iloc[0]
    p, times = int(first["processes"]), cell["seconds"].tolist()
    sent = {
        name: float(cell[column].median())
        for name, column in (
            *(("collectives", "collectives_an_iteration"), ("collectives_by_formula",) * 2),
            *(("bytes", "bytes_an_iteration"), ("bytes_by_formula",) * 2),
        )
        if column in cell
    }
    statuses = list(dict.fromkeys(cell["status"]))
    return Line(
        first["solver"],
        first["network"],
        p,
        int(first["rows"]),
        " and ".join(statuses),
        len(cell),
        int(cell["disturbed"].eq(True).sum()),
        median_interval(times),
        efficiency(strong, cell, 1 / p),
        efficiency(weak, cell, 1.0),
        waiting=float((cell["seconds_waiting"] / cell["seconds"]).median()) if "seconds_waiting" in cell else np.nan,
        **sent,
    )


def efficiency(one: pd.DataFrame | None, several: pd.DataFrame, share: float) -> Interval:
    """share times the time of one process over that of several; empty for one, and where a run did not converge."""
    if one is None or {*one["status"], *several["status"]} != {CONVERGED}:
        return Interval()
    found = ratio_interval(one["seconds"].tolist(), several["seconds"].tolist())
    return Interval(*(share * value for value in found[:3]), found.rounds)


def bandwidth(measured: Measured) -> dict[int, Interval]:
    """GB/s of a + s b, all processes of this machine together, by their number."""
    triads = measured.frame[measured.frame["what"] == "triad"]
    return {int(p): median_interval(cell["gbs"].tolist()) for p, cell in triads.groupby("processes")}


def sums(measured: Measured) -> dict[tuple[str, int, int], Interval]:
    """Seconds of a sum, by network, processes and bytes."""
    found = measured.frame[measured.frame["what"] == "sum"]
    keys = ["network", "processes", "bytes"]
    return {
        (network, int(p), int(size)): median_interval(cell["seconds"].tolist())
        for (network, p, size), cell in found.groupby(keys, sort=False)
    }
