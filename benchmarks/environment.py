"""What a run ran on: the machine, the builds, and what this machine reaches in the same session."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from solvers import device_clock

ROOT = Path(__file__).resolve().parent.parent
MEASURING = ("solvers/**/*.py", "datasets/**/*.py", "benchmarks/measure.py")
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pandas", "pyarrow")


@cache
def code_version() -> str:
    """SHA-256 over the names and the sources of all that is measured or measures."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in MEASURING for path in ROOT.glob(pattern)):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@cache
def commit() -> str:
    """The commit of the checkout, with `+` where the working tree differs from it; empty outside git."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True).stdout

    try:
        return git("rev-parse", "--short=12", "HEAD").strip() + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


@cache
def _cpu() -> str:
    from cpuinfo import get_cpu_info

    return get_cpu_info().get("brand_raw") or platform.processor() or "unknown CPU"


@cache
def machine(device: str) -> str:
    """The hardware a result belongs to, never the host's name: CPU model and cores, or GPU model and driver."""
    import psutil

    cores = psutil.cpu_count(logical=False) or psutil.cpu_count()
    host = f"{_cpu()}, {cores} cores"
    if torch.device(device).type != "cuda":
        return host
    driver = subprocess.run(
        ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"], capture_output=True, text=True
    ).stdout.split()
    return f"{torch.cuda.get_device_name(device)}, driver {driver[0] if driver else 'unknown'}; {host}"


@cache
def builds() -> dict[str, Any]:
    """Versions and builds of what the runs stand on."""

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
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


@cache
def environment(device: str) -> dict[str, Any]:
    """The machine and the builds, for the metadata of a run."""
    import psutil

    return builds() | {
        "machine": machine(device),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def free_memory(device: str | torch.device) -> int:
    """Bytes that a device still has."""
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    import psutil

    return psutil.virtual_memory().available


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@cache
def calibration(device: str, dtype_name: str, threads: int) -> dict[str, float]:
    """What this machine reaches: GEMM and POTRF of order 512 in GFLOP/s, triad a + s b of 8 million words in GB/s.

    The best of five each. FLOPs: GEMM 2 n^3, POTRF n^3 / 3 (Golub & Van Loan, 4th ed., sections 1.1 and 4.2).
    """
    torch.set_num_threads(threads)
    n, words, dtype = 512, 8_000_000, getattr(torch, dtype_name)
    generator = torch.Generator().manual_seed(0)
    A = torch.rand(n, n, dtype=dtype, generator=generator).to(device)
    S = A @ A.T + n * torch.eye(n, dtype=dtype, device=device)
    a, b = torch.ones(words, dtype=dtype, device=device), torch.ones(words, dtype=dtype, device=device)
    out = torch.empty_like(a)
    clock = device_clock(device)

    def best(work: Callable[[], object]) -> float:
        times = []
        for _ in range(6):  # the first warms up
            began = clock()
            work()
            times.append(clock() - began)
        return min(times[1:])

    return {
        "gemm_gflops": 2e-9 * n**3 / best(lambda: A @ A),
        "potrf_gflops": 1e-9 * n**3 / 3 / best(lambda: torch.linalg.cholesky_ex(S)),
        "triad_gbs": 3e-9 * words * a.element_size() / best(lambda: torch.add(a, b, alpha=3.0, out=out)),
    }
