"""How fast a machine multiplies, factors and copies, and how near to that the kernels of the solvers come."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from solvers.linalg.cholesky import factor
from solvers.linalg.coarse_gram import PRECISIONS, coarse_gram, tf32_products
from solvers.linalg.kernels import gram_in_one_pass, transposed, weighted_gram
from solvers.objectives import LogisticRegression

from ..runner.environment import best, calibration, commit, environment, now, triad
from ..runner.measure import sentence
from .kit import write_json

ENVIRONMENT, KERNELS = "environment.json", "kernels.csv"
RATES = "rates"  # the entry of environment.json
WORDS = 16_000_000
SIZES = ((398, 30), (100_000, 100), (1_000_000, 30), (100_000, 1_000))


def write_environment(out: Path, device: str, until: float) -> str:
    """The machine, its builds and its calibration: GFLOP/s, GB/s and microseconds."""
    found: dict[str, Any] = environment(device) | {"date": now(), "commit": commit(), RATES: {}}
    for name, value in rates_of(device, 4096 if device != "cpu" else 1024):
        found[RATES][name] = value
        write_json(out / ENVIRONMENT, found)
        print(f"{name}: {value:.4g}")
    return f"{found['machine']}; " + ", ".join(f"{name} {value:.4g}" for name, value in found[RATES].items())


def rates_of(device: str, order: int) -> Iterator[tuple[str, float]]:
    """GEMM and POTRF of an order in GFLOP/s by precision, copies in GB/s, the launch of a kernel in microseconds."""

    def gemm(dtype: torch.dtype) -> float:
        A = torch.randn(order, order, generator=torch.Generator().manual_seed(0)).to(device, dtype)
        return 2e-9 * order**3 / best(lambda: A @ A, device)

    def potrf(dtype: torch.dtype) -> float:
        S = torch.full((order, order), 0.5, dtype=dtype, device=device)
        S.diagonal().add_(order)
        return 1e-9 * order**3 / 3 / best(lambda: torch.linalg.cholesky_ex(S), device)

    a = torch.randn(WORDS, device=device)
    b, small = torch.empty_like(a), torch.ones(8, device=device)
    yield "launch us", 1e6 * best(lambda: torch.add(small, small), device)
    yield "copy GB/s", 2e-9 * WORDS * 4 / best(lambda: b.copy_(a), device)
    yield "triad GB/s", triad(WORDS, torch.float32, device)
    yield "gemm float64 GFLOP/s", gemm(torch.float64)
    with tf32_products(False):
        yield "gemm float32 GFLOP/s", gemm(torch.float32)
    if device != "cpu":
        with tf32_products(True):
            yield "gemm TF32 GFLOP/s", gemm(torch.float32)
    yield "gemm bfloat16 GFLOP/s", gemm(torch.bfloat16)
    for name in ("float64", "float32"):
        yield f"potrf {name} GFLOP/s", potrf(getattr(torch, name))
    if device != "cpu":
        pageable = torch.randn(WORDS)
        pinned = pageable.pin_memory()
        for name, host in (("pageable", pageable), ("pinned", pinned)):
            yield f"{name} to device GB/s", 1e-9 * WORDS * 4 / best(lambda host=host: b.copy_(host), device)
        yield "device to pinned GB/s", 1e-9 * WORDS * 4 / best(lambda: pinned.copy_(a), device)


def kernels(out: Path, device: str, until: float) -> str:
    """The kernels of an iteration, each with its seconds, its FLOPs and bytes by formula, and what part it reaches of
    the least time that the calibration allows. A variant that is not the one in use stands beside it."""
    rows = []
    with open(out / KERNELS, "w", newline="") as file:
        writer = csv.DictWriter(
            file, ["device", "dtype", "n", "d", "kernel", "seconds", "gflops", "gbs", "of_roofline"]
        )
        writer.writeheader()
        for dtype in ("float64", "float32"):
            rates = calibration(device, dtype, torch.get_num_threads())
            for n, d in SIZES if device != "cpu" else SIZES[:2]:
                try:
                    table = _kernels(n, d, getattr(torch, dtype), device)
                    for name, (work, flops, moved) in table.items():
                        taken = best(work, device)
                        least = max(1e-9 * flops / rates["gemm_gflops"], 1e-9 * moved / rates["triad_gbs"])
                        row = dict(device=device, dtype=dtype, n=n, d=d, kernel=name, seconds=taken)
                        row |= dict(gflops=1e-9 * flops / taken, gbs=1e-9 * moved / taken, of_roofline=least / taken)
                        writer.writerow(row)
                        file.flush()
                        rows.append(row)
                        print(f"{len(rows)} kernels")
                except torch.OutOfMemoryError:
                    continue
                except RuntimeError as error:
                    return f"{n} x {d}: {sentence(error)}"
    return f"{len(rows)} kernels; the weighted Gram reaches " + ", ".join(
        f"{100 * row['of_roofline']:.0f} %" for row in rows if row["kernel"] == "weighted Gram"
    )


def _kernels(n: int, d: int, dtype: torch.dtype, device: str) -> dict[str, tuple[Callable[[], object], float, float]]:
    """name -> (what to time, FLOPs, bytes)."""
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(n, d, generator=generator, dtype=torch.float32).to(device, dtype)
    y = (X[:, 0] > 0).to(dtype)
    c = torch.linspace(0.01, 0.25, n, dtype=dtype, device=device)
    zero, transpose, v = torch.zeros(d, d, dtype=dtype, device=device), transposed(X), X[0].clone()
    f = LogisticRegression(X, y, l2=1 / n)
    H = weighted_gram(X, c, zero, transpose=transpose)
    H.diagonal().add_(1.0)
    x, size = f.zeros() + 0.01, X.element_size()
    data = n * d * size

    def one_pass() -> object:
        with gram_in_one_pass():
            return weighted_gram(X, c, zero, transpose=transpose)

    def coarse(precision: str) -> Callable[[], object]:
        rows = X.to(PRECISIONS[precision])
        return lambda: coarse_gram(rows, c, zero, 1.0, precision)

    found = {
        "X v": (lambda: X @ v, 2 * n * d, data),
        "X^T r": (lambda: transpose @ c, 2 * n * d, data),
        "value and gradient": (lambda: f.at(x).gradient, 4 * n * d, 2 * data),
        "weighted Gram": (lambda: weighted_gram(X, c, zero, transpose=transpose), 2 * n * d * d, data),
        "weighted Gram, scaled copy": (lambda: X.T @ (X * c.unsqueeze(1)), 2 * n * d * d, data),
        "Cholesky and solve": (lambda: factor(H).solve(v), d**3 / 3 + 2 * d * d, d * d * size),
    }
    for precision in PRECISIONS:
        if PRECISIONS[precision] != dtype or precision == "tf32":
            found[f"weighted Gram, {precision}"] = (coarse(precision), 2 * n * d * d, data)
    if device != "cpu" and find_spec("triton"):
        found["weighted Gram, one pass"] = (one_pass, 2 * n * d * d, data)
    return found
