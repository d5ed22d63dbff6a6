"""The numerical tests on other machines, on this one: `make portability`.

Each setting of `PROCESSORS` chooses kernels that round otherwise; one more is a busy machine: at low priority, and
beside a process that keeps a core. No test may pass in one setting and fail in another.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.profiling.processors import PROCESSORS
from benchmarks.runner.environment import ROOT

NUMERICAL = ("tests/solvers", "tests/datasets", "tests/benchmarks/test_counters.py", "tests/benchmarks/test_honesty.py")
COMMANDS = ("benchmarks counters --check",)
BUSY = "busy"
WORKERS = "2"
SETTINGS = (*PROCESSORS, BUSY)


@dataclass
class Outcome:
    """What a setting said. kernels: those that torch chose, and six digits that tell one rounding from another. passed:
    how many tests. failed: those that did not, and commands."""

    setting: str
    kernels: str = ""
    passed: int = 0
    failed: list[str] = field(default_factory=list)


def rounding() -> str:
    """The name of torch's kernels, and a hash of sums and functions whose last digits they decide."""
    numbers = random.Random(0)
    X = torch.tensor([[numbers.gauss(0, 1) for _ in range(50)] for _ in range(300)], dtype=torch.float64)
    H = X.T @ X
    parts = (H, X.sum(), X.sigmoid(), X.float().exp().sum(), torch.linalg.cholesky(H), torch.linalg.eigvalsh(H))
    digest = hashlib.sha256(b"".join(part.contiguous().numpy().tobytes() for part in parts)).hexdigest()
    return f"{torch.backends.cpu.get_cpu_capability()} {digest[:6]}"


def examine(setting: str, tests: Sequence[str]) -> Outcome:
    """Runs the tests (files or folders, and options of pytest), and then COMMANDS, in that setting."""
    outcome = Outcome(setting)
    environment = os.environ | PROCESSORS.get(setting, {})
    with busy(setting == BUSY) as before, tempfile.TemporaryDirectory() as folder:

        def python(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
            command = [*before, sys.executable, "-m", *words]
            return subprocess.run(command, cwd=ROOT, env=environment, text=True, **options)

        asked = python("tests.portability", "--rounding", stdout=subprocess.PIPE, check=True)
        outcome.kernels = asked.stdout.strip()
        report = Path(folder) / "tests.xml"
        how = ("-q", "-n", WORKERS, "--dist", "loadfile", "-p", "no:cacheprovider", f"--junit-xml={report}")
        ended = python("pytest", *how, *tests, stdout=sys.stderr).returncode
        outcome.passed, outcome.failed = read(report)
        if ended and not outcome.failed:
            outcome.failed.append(f"pytest ended with exit code {ended}")
        for command in COMMANDS:
            if python(*command.split(), stdout=sys.stderr).returncode:
                outcome.failed.append(command)
    return outcome


@contextmanager
def busy(wanted: bool) -> Iterator[list[str]]:
    """A process that keeps a core meanwhile; the words before a command that is to have low priority."""
    if not wanted:
        yield []
        return
    spin = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"  # not beyond the end of this process
    spinning = subprocess.Popen([sys.executable, "-c", spin])
    try:
        yield ["nice", "-n", "10"]
    finally:
        spinning.kill()
        spinning.wait()


def read(report: Path) -> tuple[int, list[str]]:
    """How many tests of a JUnit report passed, and which failed or could not be run."""
    if not report.exists():
        return 0, []
    passed, failed = 0, []
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed.append(f"{case.get('classname')}::{case.get('name')}")
        elif "skipped" not in kinds:
            passed += 1
    return passed, failed


def shown(outcomes: Sequence[Outcome]) -> Table:
    table = Table("setting", "kernels, rounding", "passed", "failed", "which")
    for outcome in outcomes:
        failed = outcome.failed
        table.add_row(outcome.setting, outcome.kernels, str(outcome.passed), str(len(failed)), "\n".join(failed))
    return table


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.portability", description=__doc__)
    parser.add_argument("tests", nargs="*", default=NUMERICAL, help="files or folders (default: all that is numerical)")
    parser.add_argument("--only", action="append", choices=SETTINGS, help="this setting (repeatable; default: all)")
    parser.add_argument("--quick", action="store_true", help="without the slow tests")
    parser.add_argument("--rounding", action="store_true", help="print what distinguishes a setting, and end")
    options = parser.parse_args(words)
    if options.rounding:
        print(rounding())
        return 0
    # What is marked `cuda` is about devices, and no other processor changes it.
    tests = [*options.tests, *(("-m", "not slow and not cuda") if options.quick else ())]
    outcomes = []
    for setting in options.only or SETTINGS:
        print(f"\n--- {setting}", file=sys.stderr, flush=True)
        outcomes.append(examine(setting, tests))
    Console(width=None if sys.stdout.isatty() else 200).print(shown(outcomes))
    return int(any(outcome.failed for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
