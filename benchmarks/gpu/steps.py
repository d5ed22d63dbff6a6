"""The steps of the GPU kit: each takes the folder, the device and the time of day at which it is to end.

What a step returns, or the last line that it printed before it was ended, is told beside its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from time import time
from typing import Any

import torch

from datasets import Certificate, DataError, build, uncertified
from solvers import Stop
from solvers.common.sources import ROOT

from ..profiling import counters
from ..profiling.recording import profile
from ..runner.environment import calibration
from ..runner.measure import evaluate, measure, sentence
from ..runner.suites import Case
from ..store.records import without_nan
from ..store.runs import Store, run_key
from .kernels import kernels, write_environment
from .kit import write_json
from .sizes import sweep
from .variants import compare_variants
from .waits import host_waits

CHECKS, PROFILES = "checks.json", "profiles.json"
TESTS = "tests/solvers/test_on_device.py"  # all that is marked `cuda`
DEVICE = "HESSBENCH_DEVICE"  # the device that the tests marked `cuda` take
METHODS = ("newton", "newton-cg", "lbfgs", "kfac")
REPEATS = 6
REAL, TWINS = ("mnist", "mlp-mnist-views"), ("digits", "mlp-breast-cancer-mean10")
UNSTEADY = (*counters.OF_TORCH, "bytes", "flops")  # a device has other kernels


def tests(out: Path, device: str, until: float) -> str:
    """The tests marked `cuda`, on the device; without pytest they are not run, and the step fails."""
    if not (ROOT / TESTS).is_file():
        return "not run: an installed package has no tests, a checkout has them"
    command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", "-p", "no:cacheprovider", TESTS]
    left = max(1.0, until - time())
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | {DEVICE: device}, capture_output=True, text=True, timeout=left
        )
    except subprocess.TimeoutExpired:
        raise SystemExit(f"the tests took longer than their {left:.0f} s: take more --minutes") from None
    lines = done.stdout.strip().splitlines()
    _note(out, "tests", {"exit": done.returncode, "output": lines[-60:], "errors": done.stderr[-2000:]})
    if done.returncode:
        raise SystemExit(f"pytest ended with {done.returncode}: {lines[-1] if lines else done.stderr[-200:]}")
    return lines[-1]


def counted(out: Path, device: str, until: float) -> str:
    """Each case of the baseline until the time is over: what it counts on the device against the baseline. Numbers
    that a device's own kernels decide are told, and not compared."""
    baseline = counters.read_baseline(counters.BASELINE)[1]
    found: dict[str, Any] = {}
    for problem, solver in counters.cases():
        if time() > until:
            break
        print(f"{len(found)} cases")
        try:
            found[f"{problem} {solver}"] = counters.count(problem, solver, device=device)
        except Exception as error:  # a row, and the next case
            found[f"{problem} {solver}"] = {"status": sentence(error)}
    changed = counters.changes({name: baseline[name] for name in found if name in baseline}, found, UNSTEADY)
    reads = {name: counts.get("synchronisations") for name, counts in found.items()}
    _note(out, "counters", {"cases": len(found), "changed": changed, "reads of the device": reads})
    return f"{len(found)} cases, {len(changed)} count otherwise than on the CPU"


def solved(out: Path, device: str, until: float) -> str:
    """Whole runs on both devices: MNIST where there is a GPU and its files, else small twins."""
    store, count, limit = Store(out), 0, max(0.5, (until - time()) / 20)
    store.prepare()
    problems = problems_on(device)
    cases = [
        Case(problem, solver, stop=Stop(iterations=iterations, seconds=limit), device=place)
        for problem, iterations in problems.items()
        for solver in METHODS
        for place in dict.fromkeys((device, "cpu"))
        if problem not in REAL or (solver, place) in ((METHODS[0], device), *product(METHODS[1:], (device, "cpu")))
        if (problem, solver) != (REAL[1], METHODS[0])  # 10^5 coefficients: no Hessian
    ]
    print(f"0 runs of {', '.join(problems)}")
    for repeat, case in product(range(REPEATS), cases):
        if time() > until:
            break
        calibration(case.device, case.dtype, case.threads)
        measured = measure(case, repeat)
        store.write_rows(run_key(case, repeat), case, evaluate(measured, not_certified(case.problem)))
        count += 1
        print(f"{count} runs of {', '.join(problems)}")
    return f"{count} runs of {', '.join(problems)}"


def problems_on(device: str) -> dict[str, int]:
    """The problems, with the iterations of a run: real data where a GPU and its files are there, else twins."""
    found = {}
    for real, twin in zip(REAL, TWINS, strict=True):
        try:
            if device == "cpu":
                raise DataError("a CPU would take too long")
            build(real, torch.float32, "cpu")
            found[real] = 20
        except (DataError, ImportError, OSError):
            found[twin] = 2000
    return found


def not_certified(problem: str) -> Certificate | None:
    """What is known of a problem whose certificate takes longer than the kit; None for the others."""
    if problem not in REAL:
        return None
    return uncertified(build(problem, torch.float32, "cpu"), "not computed within the minutes of the kit")


def profiled(out: Path, device: str, until: float) -> str:
    """Phases of runs on the device, with what the host waits for."""
    found: list[dict[str, Any]] = []
    for problem in problems_on(device):
        for solver in ("newton-cg", "lbfgs"):
            if time() < until:
                case = Case(problem, solver, stop=Stop(iterations=20), device=device)
                waits = {"host waits": host_waits(case)} if device != "cpu" else {}
                found.append(without_nan(profile(case, repeats=2).as_dict()) | waits)
                print(f"{len(found)} profiles")
                write_json(out / PROFILES, found)
    return f"{len(found)} profiles"


def _note(out: Path, name: str, what: Any) -> None:
    path = out / CHECKS
    known = json.loads(path.read_text()) if path.exists() else {}
    write_json(path, known | {name: what})


STEPS: dict[str, Callable[[Path, str, float], str]] = {
    "environment": write_environment,
    "tests": tests,
    "counters": counted,
    "sizes": sweep,
    "solvers": solved,
    "kernels": kernels,
    "variants": compare_variants,
    "profiles": profiled,
}
