"""What a solver would take over more processes: a model of its time, fitted to a session. It predicts; it measures
nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers.distributed.traffic import Traffic, traffic

from .store import Measured

if TYPE_CHECKING:
    import pandas as pd

RANKS = (8, 64, 1024)
EXACT, PRODUCTS = "newton-cholesky", "newton-cg"  # the two that are compared over d
WIDEST = 100_000
ITEM = 8  # bytes of a number in float64


@dataclass(frozen=True)
class Cost:
    """Of one run of a solver: seconds that no process shares, seconds a row, and the evaluations it counted."""

    fixed: float
    row: float
    counters: dict[str, int]
    iterations: int

    def traffic(self, d: int) -> Traffic:
        """What a process gives to sums in a run, for d coefficients."""
        counts = {name: self.counters.get(name, 0) for name in COUNTED}
        return traffic(counts, self.iterations + 1, d, ITEM, separable=False)


COUNTED = (
    *("line_search_trials", "values", "gradients", "hessians", "sample_hessians"),
    *("hessian_diagonals", "hessian_vector_products", "third_derivatives"),
)


@dataclass(frozen=True)
class Link:
    """A sum over two processes takes `latency` seconds, and `byte` for each byte."""

    latency: float
    byte: float

    def seconds(self, sent: Traffic, ranks: int) -> float:
        """Of the sums of a run over more: in a ring, as gloo's, 2 (p - 1) messages follow each other, each of 1 / p of
        the numbers (Thakur, Rabenseifner & Gropp 2005, section 4.1)."""
        if ranks == 1:
            return 0.0
        return (ranks - 1) * sent.collectives * self.latency + 2 * (ranks - 1) / ranks * sent.bytes * self.byte


def cost(measured: Measured, solver: str) -> Cost:
    """From the runs of one process on all rows and on the fewest, whose time is for as many iterations."""
    fits = measured.frame[(measured.frame["what"] == "fit") & (measured.frame["solver"] == solver)]
    alone = fits[fits["processes"] == 1].groupby("rows")[["seconds", "iterations"]].median()
    few, n = alone.index.min(), alone.index.max()
    whole, iterations = alone.loc[n, "seconds"], alone.loc[n, "iterations"]
    part = alone.loc[few, "seconds"] * iterations / max(alone.loc[few, "iterations"], 1)
    row = (whole - part) / (n - few)
    fixed = whole - row * n
    if not fixed > 0:
        fixed, row = 0.0, whole / n
    counters = fits.loc[(fits["processes"] == 1) & (fits["rows"] == n), "counters"].iloc[0]
    return Cost(float(fixed), float(row), json.loads(counters), int(iterations))


def link(frame: pd.DataFrame, network: str) -> Link:
    """Fitted to the times of sums over the fewest processes, by relative least squares with both numbers >= 0."""
    sums = frame[(frame["what"] == "sum") & (frame["network"] == network)]
    sums = sums[sums["processes"] == sums["processes"].min()]
    times = sums.groupby("bytes")["seconds"].median()
    size, seconds = times.index.to_numpy(float), times.to_numpy()
    design = np.stack([1 / seconds, size / seconds], axis=1)
    latency, byte = np.linalg.lstsq(design, np.ones(len(size)), rcond=None)[0]
    if latency < 0:
        latency, byte = 0.0, float(np.median(seconds / size))
    ranks = int(sums["processes"].iloc[0])
    return Link(float(latency) / (ranks - 1), float(max(byte, 0.0)) * ranks / (2 * (ranks - 1)))


def seconds(of: Cost, over: Link, d: int, rows: float, ranks: int) -> float:
    """A run on so many rows a process."""
    return of.fixed + of.row * rows + over.seconds(of.traffic(d), ranks)


@dataclass(frozen=True)
class Prediction:
    """strong, weak: efficiency with as many rows in all, and in each, as were measured, against one process."""

    network: str
    solver: str
    ranks: int
    strong: float
    weak: float


def predictions(measured: Measured, counts: Sequence[int] = RANKS) -> list[Prediction]:
    """For so many ranks, each with a core and a memory of its own."""
    found, d = [], measured.plan.d
    n, each = sizes(measured)
    for network in networks(measured):
        over = link(measured.frame, network)
        for solver in measured.plan.solvers:
            of = cost(measured, solver)
            for ranks in counts:
                strong = seconds(of, over, d, n, 1) / (ranks * seconds(of, over, d, n / ranks, ranks))
                weak = seconds(of, over, d, each, 1) / seconds(of, over, d, each, ranks)
                found.append(Prediction(network, solver, ranks, strong, weak))
    return found


def sizes(measured: Measured) -> tuple[int, int]:
    """The rows of strong scaling, of all processes, and those of weak scaling, of each."""
    n = int(measured.frame["rows"].max())
    return n, n // max(measured.plan.processes)


def networks(measured: Measured) -> list[str]:
    """Those over which sums were timed, this machine first."""
    return [name for name in ("", *measured.plan.networks) if name not in measured.left_out]


def missed(measured: Measured) -> dict[tuple[str, str, int], float]:
    """How far the model is off the median time over several processes, relative to it: by network, solver and
    processes. Positive: they took longer, as where they share the bandwidth of one memory."""
    fits = measured.frame[(measured.frame["what"] == "fit") & (measured.frame["processes"] > 1)]
    found = {}
    for (network, solver, p, rows), cell in fits.groupby(["network", "solver", "processes", "rows"], sort=False):
        if rows == sizes(measured)[0]:
            expected = seconds(cost(measured, solver), link(measured.frame, network), measured.plan.d, rows / p, p)
            found[network, solver, int(p)] = float(cell["seconds"].median() / expected - 1)
    return found


def crossing(measured: Measured, network: str, ranks: int) -> float:
    """From how many coefficients on newton-cg takes less time than newton-cholesky, with the rows of weak
    scaling in each process; infinite where it never does up to 100,000.

    Time a row grows with d^2 for Hessians and with d for products, a factorisation takes d^3 / 3 operations in each
    process, and the numbers of iterations and of products are taken to stay what they were.
    """
    (_, each), d0 = sizes(measured), measured.plan.d
    over, exact, products = link(measured.frame, network), cost(measured, EXACT), cost(measured, PRODUCTS)
    for d in np.unique(np.geomspace(2, WIDEST, 400).astype(int)):
        ratio = d / d0
        factor = exact.counters.get("factorisations", 0) * d**3 / 3e9 / measured.potrf
        first = exact.fixed + exact.row * ratio**2 * each + factor + over.seconds(exact.traffic(int(d)), ranks)
        other = products.fixed + products.row * ratio * each + over.seconds(products.traffic(int(d)), ranks)
        if other < first:
            return float(d)
    return float("inf")
