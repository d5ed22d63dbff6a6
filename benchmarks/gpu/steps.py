"""The steps of the GPU kit: each takes the folder, the device and the time of day at which it is to end.

What a step returns, or the last line that it printed before it was ended, is told beside its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any

import torch

from datasets import DataError, build
from solvers import Stop
from solvers.common.sources import ROOT

from ..profiling import counters
from ..profiling.recording import profile
from ..runner.environment import calibration
from ..runner.measure import evaluate, measure, sentence
from ..runner.suites import Case
from ..store.records import without_nan
from ..store.runs import Store, run_key
from .kit import write_json
from .reach import kernels, write_environment
from .sizes import sweep

CHECKS, PROFILES = "checks.json", "profiles.json"
TESTS = "tests/solvers/test_on_device.py"  # all that is marked `cuda`
DEVICE = "HESSBENCH_DEVICE"  # the device that the tests marked `cuda` take
METHODS = ("newton", "newton-cg", "lbfgs", "kfac")
REAL, TWINS = ("mnist", "mlp-mnist-views"), ("digits", "mlp-breast-cancer-mean10")
UNSTEADY = (*counters.OF_TORCH, "bytes", "flops")  # a device has other kernels


def tests(out: Path, device: str, until: float) -> str:
    """The tests marked `cuda`, on the device; without pytest they are not run, and the step fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", "-p", "no:cacheprovider", TESTS]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {DEVICE: device},
        capture_output=True,
        text=True,
        timeout=max(1.0, until - time()),
    )
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
    """Whole runs on both devices, into one file of the store: MNIST where its files are, else small twins."""
    store, count, limit = Store(out), 0, max(0.5, (until - time()) / 20)
    store.prepare()
    problems = [_there(real, twin) for real, twin in zip(REAL, TWINS, strict=True)]
    cases = [
        Case(problem, solver, stop=Stop(iterations=2000, seconds=limit), dtype="float64", device=place)
        for problem in problems
        for solver in METHODS
        for place in dict.fromkeys((device, "cpu"))
        if not (problem == "mnist" and solver == "newton")  # 7,850 coefficients: a Hessian of half a gigabyte
    ]
    for repeat in range(6):
        for case in cases:
            if time() > until:
                break
            calibration(case.device, case.dtype, case.threads)
            store.write_rows(run_key(case, repeat), case, evaluate(measure(case, repeat)))
            count += 1
            print(f"{count} runs")
    return f"{count} runs of {', '.join(problems)}"


def profiled(out: Path, device: str, until: float) -> str:
    """Phases of runs on the device, with what the host waits for."""
    found: list[dict[str, Any]] = []
    for problem in (_there(*pair) for pair in zip(REAL, TWINS, strict=True)):
        for solver in ("newton-cg", "lbfgs"):
            if time() < until:
                case = Case(problem, solver, stop=Stop(iterations=20), device=device)
                found.append(without_nan(profile(case, repeats=2).as_dict()))
                print(f"{len(found)} profiles")
                write_json(out / PROFILES, found)
    return f"{len(found)} profiles"


def _there(real: str, twin: str) -> str:
    """The problem on real data where its files are at hand, else its twin."""
    try:
        build(real, torch.float32, "cpu")
        return real
    except (DataError, ImportError, OSError):
        return twin


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
    "profiles": profiled,
}
