"""Ways to be faster on a GPU that are off by default: each beside the usual way, in whole runs of newton-cholesky."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, fields, replace
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import time

import torch

from solvers import SOLVERS, Result, Solver, minimize
from solvers.linalg.coarse_gram import PRECISIONS
from solvers.linalg.kernels import gram_in_one_pass
from solvers.objectives import LogisticRegression
from solvers.objectives.linear.captured import WIDEST, CapturedLogisticRegression

from ..runner.measure import sentence
from .sizes import rows

FILE = "variants.csv"
SOLVER = "newton-cholesky"
SIZES = ((1_000, 30), (30_000, 30), (100_000, 100), (1_000_000, 30), (100_000, 1_000), (1_000_000, 300))
SIZES_ON_CPU = ((1_000, 30), (20_000, 100))
REPEATS = 5
Context = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Variant:
    """What is changed: the solver, the objective, or the context of the run."""

    name: str
    solver: Solver
    objective: type[LogisticRegression] = LogisticRegression
    context: Context = nullcontext


@dataclass(frozen=True)
class Compared:
    """The seconds of a run the usual way and with a variant, medians of pairs in turn, and how many times as fast the
    variant is: the median of the pairs' ratios, from low to high. gap_bound: what the run with the variant proves."""

    device: str
    dtype: str
    n: int
    d: int
    variant: str
    usual: float = float("nan")
    seconds: float = float("nan")
    ratio: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    iterations: int = 0
    gap_bound: float = float("nan")
    status: str = ""


def variants(d: int, dtype: torch.dtype, device: str) -> Iterator[Variant]:
    """Those that there are for a problem."""
    solver = SOLVERS[SOLVER]
    for precision, lower in PRECISIONS.items():
        if lower != dtype or precision == "tf32":
            yield Variant(f"Hessian in {precision}", replace(solver, hessian_precision=precision))
    yield Variant("4 trials at once", replace(solver, trials_together=4))
    if d <= WIDEST:
        yield Variant("CUDA graph", solver, CapturedLogisticRegression)
    if device != "cpu" and find_spec("triton"):
        yield Variant("Gram in one pass", solver, context=gram_in_one_pass)


def compare_variants(out: Path, device: str, until: float) -> str:
    """Each variant beside the usual way until the time is over; a row each, written at once."""
    count = 0
    with open(out / FILE, "w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Compared)])
        writer.writeheader()
        for n, d in SIZES if device != "cpu" else SIZES_ON_CPU:
            for dtype in ("float64", "float32"):
                for variant in variants(d, getattr(torch, dtype), device):
                    if time() > until:
                        return f"{count} pairs; the time was over at {n} x {d}"
                    writer.writerow(asdict(compared(n, d, dtype, device, variant)))
                    file.flush()
                    count += 1
                    print(f"{count} pairs, to {n} x {d}")
    return f"{count} pairs"


def compared(n: int, d: int, dtype: str, device: str, variant: Variant) -> Compared:
    """One row; what goes wrong with the variant is its status, and out of memory is one."""
    cell = Compared(device, dtype, n, d, variant.name)
    usual = Variant("usual", SOLVERS[SOLVER])
    try:
        X, y = (part.to(device) for part in rows(n, d, getattr(torch, dtype)))
        runs = {way.name: prepared(way, X, y) for way in (usual, variant)}
        pairs = [(runs["usual"](), runs[variant.name]()) for _ in range(1 + REPEATS)][1:]  # the first warms up
    except torch.OutOfMemoryError:
        return replace(cell, status="out of memory")
    except Exception as error:  # the next variant may well work
        return replace(cell, status=sentence(error))
    ratios = sorted(before.seconds / after.seconds for before, after in pairs)
    last = pairs[-1][1]
    return replace(
        cell,
        usual=median(before.seconds for before, _ in pairs),
        seconds=median(after.seconds for _, after in pairs),
        ratio=median(ratios),
        low=ratios[0],
        high=ratios[-1],
        iterations=last.iterations,
        gap_bound=float("nan") if last.gap_bound is None else last.gap_bound / abs(last.value),
        status=str(last.status),
    )


def prepared(way: Variant, X: torch.Tensor, y: torch.Tensor) -> Callable[[], Result]:
    """A run to the default gap, on an objective that keeps what it computes from the data."""
    f = way.objective(X, y, l2=1 / len(X))

    def run() -> Result:
        with way.context():
            return minimize(way.solver, f)

    return run
