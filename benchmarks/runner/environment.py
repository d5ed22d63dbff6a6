"""Where a result comes from: the machine, the builds, the commit, and what the machine reaches in the same session."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from solvers import device_clock
from solvers.common.sources import ROOT, code_hash

MEASURING = (
    "solvers",
    "datasets",
    *(f"benchmarks/runner/{name}.py" for name in ("measure", "peers", "deadline", "disturbance")),
)
TF32 = "HESSBENCH_TF32"
PACKAGES = ("torch", "numba", "numpy", "scipy", "scikit-learn", "pandas", "pyarrow")


def code_version() -> str:
    """SHA-256 over the names and sources of the measured code and of the code that measures."""
    return code_hash(MEASURING)


@cache
def commit() -> str:
    """The commit of the checkout, with `+` where the working tree differs from it; empty outside git, and where the
    repository around this folder is another one."""
    return commit_of(ROOT)


def commit_of(root: Path) -> str:
    """The commit of the repository whose working tree begins at a folder; empty where none does."""
    # GIT_DIR and its kin, which hooks of git set, name a repository whatever the folder.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=variables).stdout

    try:
        top = git("rev-parse", "--show-toplevel").removesuffix("\n")
        if not top or Path(top).resolve() != root.resolve():
            return ""
        return git("rev-parse", "--short=12", "HEAD").strip() + ("+" if git("status", "--porcelain") else "")
    except (OSError, ValueError, subprocess.CalledProcessError):  # ValueError: a path that is not UTF-8
        return ""


@cache
def _cpu() -> str:
    try:
        from cpuinfo import get_cpu_info
    except ImportError:  # on a bare machine, where nothing is installed for the GPU kit
        return platform.processor() or "unknown CPU"
    return get_cpu_info().get("brand_raw") or platform.processor() or "unknown CPU"


def cores() -> int | None:
    """Physical ones, where that can be told."""
    try:
        from psutil import cpu_count
    except ImportError:
        return os.cpu_count()
    return cpu_count(logical=False) or cpu_count()


def _host_memory() -> int:
    """Bytes."""
    try:
        from psutil import virtual_memory
    except ImportError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return virtual_memory().total


@cache
def machine(device: str) -> str:
    """The hardware a result belongs to, never the host's name: CPU model and cores, or GPU model and driver."""
    host = f"{_cpu()}, {cores()} cores"
    if torch.device(device).type != "cuda":
        return host
    return f"{torch.cuda.get_device_name(device)}, driver {driver()}; {host}"


@cache
def driver() -> str:
    """The version of NVIDIA's driver; unknown where its tool is not there."""
    question = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return next(iter(subprocess.run(question, capture_output=True, text=True).stdout.split()), "unknown")
    except OSError:
        return "unknown"


def float32_products() -> str:
    """torch's name for the precision of products in float32: "highest", or with HESSBENCH_TF32=1 "high" (TF32, with 10
    bits in place of 23)."""
    return "high" if os.environ.get(TF32) == "1" else "highest"


@cache
def builds() -> dict[str, Any]:
    """Versions and builds of the libraries."""

    def installed(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "absent"

    return {
        "python": platform.python_version(),
        "packages": {package: installed(package) for package in PACKAGES},
        "blas": "MKL" if torch.backends.mkl.is_available() else "other",
        "cuda": torch.version.cuda,
        "float32_products": float32_products(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


@cache
def environment(device: str) -> dict[str, Any]:
    """The machine and the builds, for the metadata of a run."""
    return builds() | {
        "machine": machine(device),
        "memory_gib": round(_host_memory() / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def memory(device: str | torch.device) -> int:
    """Bytes of memory of a device in all: how much is free at the moment is no property of a case."""
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    return _host_memory()


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")  # noqa: UP017, Python 3.10 has no UTC


def provenance(device: str = "cpu") -> dict[str, str]:
    """Part of every stored result."""
    return {"machine": machine(device), "date": now(), "commit": commit(), "code_version": code_version()}


WORDS = 8_000_000  # of each array of the large triad: more than any cache holds
LONG = 1e-3  # seconds: shorter work is repeated between two readings of the clock
LARGEST_ORDER = 2048  # of a matrix whose factorisation is timed


@cache
def calibration(device: str, dtype_name: str, threads: int) -> dict[str, float]:
    """What this machine reaches: GEMM and POTRF of order 512 and SYRK (X^T X of 80,000 x 100) in GFLOP/s; triad
    a + s b of 8 million words and copies of as many from host to device (on the CPU from memory to memory) in GB/s;
    a small kernel (the sum of two vectors of 8, in a row of many) and one number read by the host in microseconds.

    The best of five each. FLOPs: GEMM and SYRK 2 m n k, POTRF n^3 / 3 (Golub & Van Loan, 4th ed., sections 1.1 and
    4.2); a SYRK that knows its result to be symmetric could do with half.
    """
    torch.set_num_threads(threads)
    dtype = getattr(torch, dtype_name)
    A = torch.rand(512, 512, dtype=dtype, generator=torch.Generator().manual_seed(0)).to(device)
    small, host = torch.ones(8, dtype=dtype, device=device), torch.ones(WORDS, dtype=dtype)
    number, copied = small.sum(), torch.empty_like(host, device=device)
    with torch.inference_mode():
        return {
            "gemm_gflops": 2e-9 * len(A) ** 3 / best(lambda: A @ A, device),
            "potrf_gflops": potrf(len(A), dtype, device),
            "syrk_gflops": syrk(WORDS // 100, 100, dtype, device),
            "triad_gbs": triad(WORDS, dtype, device),
            "copy_gbs": 1e-9 * WORDS * host.element_size() / best(lambda: copied.copy_(host), device),
            "kernel_us": 1e6 * best(lambda: torch.add(small, small), device),
            "read_us": 1e6 * best(lambda: float(number), device),
        }


@cache
def calibration_at(
    device: str, dtype_name: str, threads: int, *, rows: int, columns: int, order: int
) -> dict[str, float]:
    """The same at the size of a problem: POTRF of its order (2048 at most), SYRK of its X and triad over as many words
    as X has (8 million of each at most). A small problem lives in caches that are faster than memory."""
    torch.set_num_threads(threads)
    dtype, words = getattr(torch, dtype_name), min(rows * columns, 3 * WORDS)
    with torch.inference_mode():
        return {
            "potrf_gflops": potrf(min(order, LARGEST_ORDER), dtype, device),
            "syrk_gflops": syrk(max(1, min(rows, WORDS // columns)), columns, dtype, device),
            "triad_gbs": triad(max(1, words // 3), dtype, device),
        }


def best(work: Callable[[], object], device: str) -> float:
    """Seconds of the fastest of five, each repeated until it takes a millisecond."""
    clock, times, repeats = device_clock(device), [], 1
    while len(times) < 6:  # the first warms up
        began = clock()
        for _ in range(repeats):
            work()
        seconds = clock() - began
        if not times and seconds < LONG and repeats < 1000:
            repeats *= 10
        else:
            times.append(seconds / repeats)
    return min(times[1:])


def potrf(order: int, dtype: torch.dtype, device: str) -> float:
    """GFLOP/s of a Cholesky factorisation."""
    S = torch.full((order, order), 0.5, dtype=dtype, device=device)
    S.diagonal().add_(order)
    return 1e-9 * order**3 / 3 / best(lambda: torch.linalg.cholesky_ex(S), device)


def syrk(rows: int, columns: int, dtype: torch.dtype, device: str) -> float:
    """GFLOP/s of X^T X."""
    X = torch.ones(rows, columns, dtype=dtype, device=device)
    return 2e-9 * rows * columns**2 / best(lambda: X.T @ X, device)


def triad(words: int, dtype: torch.dtype, device: str) -> float:
    """GB/s of a + s b."""
    a, b = torch.ones(words, dtype=dtype, device=device), torch.ones(words, dtype=dtype, device=device)
    out = torch.empty_like(a)
    return 3e-9 * words * a.element_size() / best(lambda: torch.add(a, b, alpha=3.0, out=out), device)
