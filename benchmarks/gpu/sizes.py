"""The time of an iteration on the CPU and on a GPU, from small problems to large ones."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from itertools import product
from pathlib import Path
from statistics import median
from time import time

import torch

from solvers import SOLVERS, device_clock, minimize
from solvers.objectives import LogisticRegression

from ..runner.environment import memory
from ..runner.measure import sentence
from ..runner.suites import fixed

ROWS = (1_000, 10_000, 100_000, 1_000_000, 4_000_000)
COLUMNS = (10, 30, 100, 300, 1_000, 2_000)
METHODS = ("newton-cholesky", "newton-cg", "lbfgs", "gradient-descent")
DTYPES = ("float32", "float64")
ITERATIONS = 3
SHARE = 0.3  # of a device's memory that X may take: its transpose and a scaled block come on top
DEAR = 20.0  # seconds that a cell may be expected to take
FILE = "sizes.csv"
TOO_LARGE = "not tried: X would fill the memory"


@dataclass(frozen=True)
class Timed:
    """The time of an iteration, in runs of so many iterations on so many CPU threads.

    Seconds an iteration: cold, in the first run on these data; warm, the median of the later ones, from low to high.
    transfer: seconds to bring X and y to the device. status: of the run, or what went wrong.
    """

    device: str
    dtype: str
    n: int
    d: int
    solver: str
    cold: float
    warm: float
    low: float
    high: float
    transfer: float
    repeats: int
    iterations: int
    threads: int
    status: str


def cells() -> Iterator[tuple[int, int, str, str]]:
    """n, d, dtype and solver: small ones first, so that what is cut off is what is dear."""
    sizes = sorted(product(ROWS, COLUMNS), key=lambda size: (size[0] * size[1], size))
    yield from ((n, d, dtype, solver) for (n, d) in sizes for dtype in DTYPES for solver in METHODS)


def sweep(out: Path, device: str, until: float) -> str:
    """Every size that fits and that the time allows, on the CPU and on the device; a row a cell, written at once."""
    places = list(dict.fromkeys(("cpu", device)))
    spent: dict[tuple[str, str, str], tuple[float, float]] = {}  # (n d, seconds) of the largest so far
    with open(out / FILE, "w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Timed)])
        writer.writeheader()
        count = 0
        for n, d, dtype, solver in cells():
            for place in places:
                if time() > until:
                    return f"{count} cells; the time was over at {n} x {d}"
                size, last = spent.get((place, dtype, solver), (0.0, 0.0))
                expected = last * (n * d / size) if size else 0.0
                if expected > DEAR:
                    row = absent((place, dtype, n, d, solver), f"not tried: some {expected:.0f} s are expected")
                else:
                    began = time()
                    row = timed(n, d, dtype, solver, place, min(2.0, (until - time()) / 4))
                    spent[place, dtype, solver] = n * d, time() - began
                writer.writerow(asdict(row))
                file.flush()
                count += 1
                print(f"{count} cells, to {n} x {d}")
    return f"{count} cells"


def absent(cell: tuple[str, str, int, int, str], status: str) -> Timed:
    """A cell without times."""
    return Timed(*cell, *[math.nan] * 5, 0, ITERATIONS, torch.get_num_threads(), status)


@lru_cache(maxsize=1)
def rows(n: int, d: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """X (n, d) and labels on the host, made once for all solvers and devices of a size."""
    generator = torch.Generator().manual_seed(n + d)
    # Random rows for what a block holds, repeated: large matrices are there sooner, and no kernel knows.
    block = torch.randn(min(n, 100_000), d, generator=generator, dtype=dtype)
    X = block.repeat(-(-n // len(block)), 1)[:n]
    return X, torch.bernoulli(torch.sigmoid(X[:, 0].double()), generator=generator).to(dtype)


def timed(n: int, d: int, dtype: str, solver: str, device: str, budget: float, repeats: int = 5) -> Timed:
    """One cell; out of memory, and whatever else goes wrong, is its status."""
    cell = (device, dtype, n, d, solver)
    kind = getattr(torch, dtype)
    if n * d * kind.itemsize > SHARE * memory(device):
        return absent(cell, TOO_LARGE)
    try:
        X, y = rows(n, d, kind)
        clock = device_clock(device)
        began = clock()
        X, y = X.to(device), y.to(device)
        transfer = clock() - began if device != "cpu" else 0.0
        f, stop, times = LogisticRegression(X, y, l2=1 / n), fixed(ITERATIONS), []
        while len(times) < 1 + repeats and (len(times) < 2 or sum(times) < budget):
            found = minimize(SOLVERS[solver], f, stop=stop)
            times.append(found.seconds / max(1, found.iterations))
        cold, *warm = times
        spread = (median(warm), min(warm), max(warm))
        counts = (len(warm), ITERATIONS, torch.get_num_threads())
        return Timed(*cell, cold, *spread, transfer, *counts, str(found.status))
    except torch.OutOfMemoryError:
        return absent(cell, "out of memory")
    except Exception as error:  # the next cell may well work
        return absent(cell, sentence(error))
