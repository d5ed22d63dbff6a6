"""How long a command takes before it does anything: the help of each package, and the list of all names."""

from __future__ import annotations

import subprocess
import sys

import pytest

from datasets.folders import IMPORTED_FROM

COMMANDS = (
    *("hessbench --help", "hessbench --version", "hessbench report --help", "hessbench data --help"),
    *("benchmarks --help", "benchmarks run --help", "benchmarks list", "benchmarks list --json"),
    *("reports --help", "reports build --help", "reports recommend --help", "datasets --help", "datasets list --help"),
)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.benchmark(group="start-up of a command")
def test_start_up(benchmark, command):
    """A new process each time; the first, which may store the list for the code of today, is not timed."""

    def start() -> None:
        subprocess.run([sys.executable, "-m", *command.split()], cwd=IMPORTED_FROM, capture_output=True, check=True)

    benchmark.pedantic(start, rounds=5, warmup_rounds=1)
