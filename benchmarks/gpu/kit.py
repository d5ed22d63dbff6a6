"""The GPU kit: all that is measured on a machine with a GPU, step by step, within a number of minutes.

Each step is a process of its own that writes what it finds as soon as it is there. One that hangs is ended when its
share of the minutes is over, and the kit goes on with the next.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, time
from typing import Any

from datasets.folders import IMPORTED_FROM
from solvers.common.files import written_whole

from ..store.packing import pack
from ..store.runs import Store

GRACE = 5.0  # seconds that a step may take beyond its share, to write and to end
LEAST = 3.0  # seconds: with less left no further step is begun
OUTCOMES = "steps.json"


@dataclass(frozen=True)
class Step:
    """A part of the kit. share: of the minutes; what it leaves over is for the steps behind it."""

    name: str
    what: str
    share: float


STEPS = (
    Step("environment", "the machine, and what it reaches", 0.10),
    Step("tests", "the tests of devices", 0.21),
    Step("counters", "the counts of the baseline, on the device", 0.08),
    Step("sizes", "the time of an iteration on the CPU and on the device, by size", 0.22),
    Step("solvers", "whole runs on MNIST, or on digits, on both", 0.15),
    Step("kernels", "kernels against the roofline", 0.08),
    Step("variants", "what may be faster on a GPU, beside the usual way", 0.08),
    Step("profiles", "phases of a run, and what the host waits for", 0.08),
)


@dataclass(frozen=True)
class Outcome:
    """How a step ended. status: done, failed, or ended (its share was over); detail: its last line."""

    step: str
    status: str
    seconds: float
    detail: str


def command(step: Step, out: Path, device: str, until: float) -> list[str]:
    """What runs a step. until: the time of day, in seconds, at which it is to end: its imports count."""
    options = ["--step", step.name, "--out", str(out.resolve()), "--device", device, "--until", f"{until:.1f}"]
    return [sys.executable, "-u", "-m", __name__.removesuffix(".gpu.kit"), "gpu", *options]


def run(
    out: Path,
    device: str,
    minutes: float,
    say: Callable[[str], None] = lambda line: None,
    argv: Callable[[Step, Path, str, float], list[str]] = command,
) -> list[Outcome]:
    """All steps in their order, each within its share of what is left; steps.json tells how each ended."""
    out.mkdir(parents=True, exist_ok=True)
    end, found = monotonic() + 60 * minutes, []
    for place, step in enumerate(STEPS):
        left = end - monotonic()
        share = left * step.share / sum(later.share for later in STEPS[place:])
        if share < min(LEAST, 6 * minutes * step.share):
            found.append(Outcome(step.name, "ended", 0.0, "no time was left for it"))
        else:
            say(f"{step.name}: {step.what} ({share:.0f} s)")
            found.append(run_step(step, argv(step, out, device, time() + share), share))
        say(f"  {found[-1].status} after {found[-1].seconds:.0f} s. {found[-1].detail}")
        pack_runs(out)
        write_json(out / OUTCOMES, [asdict(outcome) for outcome in found])
    return found


def write_json(path: Path, value: Any) -> None:
    with written_whole(path) as file:
        file.write((json.dumps(value, indent=1, default=str) + "\n").encode())


def pack_runs(out: Path) -> None:
    """The runs that are there in one file, whatever ended the step that made them."""
    store = Store(out)
    store.remove_partial_files()
    pack(store)


def run_step(step: Step, argv: list[str], seconds: float) -> Outcome:
    """One step in a process group of its own, which is ended whole."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(IMPORTED_FROM), os.environ.get("PYTHONPATH", "")])}
    began = monotonic()
    process = subprocess.Popen(
        argv, cwd=IMPORTED_FROM, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
    )  # fmt: skip
    try:
        words, _ = process.communicate(timeout=seconds + GRACE)
        status = "done" if process.returncode == 0 else "failed"
    except subprocess.TimeoutExpired:
        status = "ended"
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    if status == "ended":
        words, _ = process.communicate()
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return Outcome(step.name, status, monotonic() - began, lines[-1][:300] if lines else "")
