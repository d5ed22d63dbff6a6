"""Long runs, by `make soak`: 5,000 runs in a row, a store of as many, and processes killed at any moment.

The one place where seconds are limits: they belong to this machine-minutes check, and not to the tests.
"""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from benchmarks.command import run as command
from benchmarks.command.main import app
from benchmarks.runner.measure import measure
from benchmarks.runner.suites import Case, fixed
from benchmarks.store import runs as store_module
from benchmarks.store.runs import Store, run_key
from reports.data.runs import load
from solvers import SOLVERS
from tests.benchmarks.test_memory import READABLE, check
from tests.forks import Fork

RUNS = int(os.environ.get("HESSBENCH_SOAK", "5000"))
CASE = Case("breast-cancer-l2", "newton", stop=fixed(3))
OPEN, LOAD = 0.2, 10.0  # seconds
GROWTH = 50 * 2**20  # bytes, from the first tenth of the runs to the last


@pytest.fixture(scope="module", autouse=True)
def no_calibration():
    with pytest.MonkeyPatch.context() as patch:
        for module in (store_module, command):
            patch.setattr(module, "calibration", lambda *_: {})
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("soak") / "runs"


def test_memory_and_open_files_stay_flat(folder):
    store, process, seen = Store(folder), psutil.Process(), []
    store.prepare()
    for repeat in range(RUNS):
        store.write(run_key(CASE, repeat), measure(CASE, repeat))
        if repeat % (RUNS // 10) == RUNS // 10 - 1:
            seen.append((process.memory_info().rss, process.num_fds(), process.num_threads()))
            print(seen[-1])
    assert seen[-1][0] - seen[0][0] < GROWTH and seen[-1][1:] == seen[0][1:]


def opened(folder: Path) -> float:
    """Seconds to find out that nothing is missing, the keys being known."""
    keys = [run_key(CASE, repeat) for repeat in range(RUNS)]
    began = time.perf_counter()
    assert not Store(folder).missing(keys)
    return time.perf_counter() - began


def loaded(folder: Path) -> float:
    began = time.perf_counter()
    assert load(folder).frame["run"].nunique() == RUNS
    return time.perf_counter() - began


def test_a_large_store_opens_quickly_and_once_packed_loads_quickly(folder):
    plain = opened(folder), loaded(folder)
    assert CliRunner().invoke(app, ["pack", "--store", str(folder)]).exit_code == 0
    packed = opened(folder), loaded(folder)
    print(f"\nopen {plain[0]:.3f} s, packed {packed[0]:.3f} s; load {plain[1]:.2f} s, packed {packed[1]:.2f} s")
    assert max(plain[0], packed[0]) < OPEN and max(plain[1], packed[1]) < LOAD


def test_killed_at_any_moment_a_hundred_times(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "measure", lambda case, r: measure(replace(case, stop=fixed(3)), r))
    words = ["run", "--problem", "breast-cancer-l2", "--solver", "newton", "--store", str(tmp_path)]
    rng, before = random.Random(0), 0
    for _ in range(100):
        process = Fork(app, *words, "--repeats", "2000")
        time.sleep(rng.uniform(0.0, 0.5))
        process.send(rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        _, said, errors = process.end()
        found = load(tmp_path)
        assert not found.skipped and "Traceback" not in errors
        count = 0 if found.frame.empty else found.frame["run"].nunique()
        assert count - before in (len(said), len(said) + 1)
        before = count


@READABLE
@pytest.mark.parametrize(("n", "d"), [(200_000, 100), (1_000_000, 50)])
def test_no_solver_at_all_takes_a_second_copy_of_the_data(n, d):
    check(n, d, sorted(SOLVERS))
