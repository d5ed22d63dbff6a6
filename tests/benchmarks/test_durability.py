"""Nothing that was measured is lost: whatever ends a process, and however many measure into one store."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from benchmarks.command import run as command
from benchmarks.command.main import app
from benchmarks.runner.measure import measure
from benchmarks.runner.suites import Case, every_solver
from benchmarks.store import runs as store_module
from benchmarks.store.locks import Locks
from benchmarks.store.runs import SUFFIX, Store, run_key
from reports.data.runs import load
from tests.forks import Fork

NAMES = ("newton", "newton-cholesky")
REPEATS = 22
ALL = len(NAMES) * REPEATS


@pytest.fixture(autouse=True)
def short_runs(monkeypatch):
    """Three iterations each, and the machine is not the subject. A forked process has it from here."""
    for module in (store_module, command):
        monkeypatch.setattr(module, "calibration", lambda *_: {"gemm_gflops": 1.0})
    monkeypatch.setattr(command, "measure", brief)


def brief(case: Case, repeat: int):
    return measure(replace(case, stop=replace(case.stop, iterations=3)), repeat)


def held(runs: int, go: Callable[[], bool] = lambda: False):
    """`brief`, which after so many runs waits, until it may go on or is ended."""
    begun = iter(range(runs))

    def measured(case: Case, repeat: int):
        while next(begun, None) is None and not go():
            time.sleep(0.01)
        return brief(case, repeat)

    return measured


@pytest.fixture(scope="module", autouse=True)
def all_is_there_before_the_forks():
    """Imports, the data, its certificate, the hash of the code: once, and not in every process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "measure", brief)
        for module in (store_module, command):
            patch.setattr(module, "calibration", lambda *_: {})
        with TemporaryDirectory() as folder:
            CliRunner().invoke(app, options(Path(folder), 1))


def options(folder: Path, repeats: int = REPEATS) -> list[str]:
    solvers = [word for name in NAMES for word in ("--solver", name)]
    return ["run", "--problem", "breast-cancer-l2", *solvers, "--store", str(folder), "--repeats", str(repeats)]


def keys(lines: list[str]) -> list[str]:
    """The runs that were said to be stored."""
    assert all(line.startswith("done ") and line.endswith("\n") for line in lines)
    return [line.split()[1] for line in lines]


def whole(folder: Path) -> set[str]:
    """The runs in a folder, each read to its end."""
    return {pq.read_table(path)["run"][0].as_py() for path in folder.glob(f"*{SUFFIX}")}


# --- killed at any moment


def test_whatever_ends_it_after_whichever_run_nothing_is_lost_and_nothing_done_twice(tmp_path, monkeypatch):
    """Ended twelve times on its way, each time in a run or two after those that it has told, and started again."""
    before: set[str] = set()
    for number, count in product((signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP), (1, 2, 3)):
        with monkeypatch.context() as patch:
            patch.setattr(command, "measure", held(count + 1))  # which has not come to its end when the signal comes
            process = Fork(app, *options(tmp_path))
        said = process.lines(count)
        process.send(number)
        status, rest, errors = process.end()
        said = keys(said + rest)
        stored = whole(tmp_path)
        assert len(said) == len(set(said)) >= count and not set(said) & before  # measured nothing again
        assert before | set(said) <= stored and len(stored) <= len(before) + len(said) + 1  # the one not yet told
        if number == signal.SIGKILL:
            assert status == -signal.SIGKILL
        else:
            last = errors.splitlines()[-1]
            assert status == 130
            assert last == f"interrupted: {len(stored)} of {ALL} runs are stored; rerun the same command to continue"
            assert not list(tmp_path.glob(".*.partial"))
        before = stored
    status, rest, errors = Fork(app, *options(tmp_path)).end()
    assert status == 0 and not set(keys(rest)) & before
    assert f"{len(rest)} runs measured, {ALL - len(rest)} were there already" in errors
    assert len(whole(tmp_path)) == ALL
    assert not load(tmp_path).frame.duplicated(["run", "iteration"]).any()


def test_a_run_is_reported_when_it_has_its_name(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(command, "report", lambda word, key, *_: seen.append((tmp_path / f"{key}{SUFFIX}").exists()))
    assert CliRunner().invoke(app, options(tmp_path, 1)).exit_code == 0
    assert seen == [True, True]


def test_a_signal_that_is_lost_in_native_code_ends_the_command_all_the_same(tmp_path, monkeypatch):
    def deaf(case: Case, repeat: int):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1.0)
        except KeyboardInterrupt:
            pass
        return brief(case, repeat)

    monkeypatch.setattr(command, "measure", deaf)
    outcome = CliRunner().invoke(app, options(tmp_path))
    assert outcome.exit_code == 130 and f"interrupted: 1 of {ALL} runs are stored" in outcome.stderr
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL  # as it was


def test_what_a_killed_process_left_half_written_is_removed_by_the_next_that_is_alone(tmp_path):
    half = tmp_path / ".0123.77.partial"
    half.write_bytes(b"PAR1")
    assert CliRunner().invoke(app, options(tmp_path, 1)).exit_code == 0
    assert not half.exists() and len(whole(tmp_path)) == len(NAMES)


def test_a_reader_that_goes_away_does_not_end_the_runs(tmp_path):
    process = Fork(app, *options(tmp_path))
    process.lines(1)
    os.close(process.output.fileno())
    os.waitpid(process.pid, 0)
    assert len(whole(tmp_path)) == ALL


# --- two at once


def test_two_at_once_measure_each_run_once_and_say_that_they_disturb_each_other(tmp_path, monkeypatch):
    """The first waits before its third run until the second has stored one, however the machine shares its cores."""
    both = tmp_path.with_name("both")
    with monkeypatch.context() as patch:
        patch.setattr(command, "measure", held(2, both.exists))
        first = Fork(app, *options(tmp_path))
    early = first.lines(2)
    second = Fork(app, *options(tmp_path))
    late = second.lines(1)
    both.touch()
    ends = [first.end(), second.end()]
    said = keys(early + ends[0][1] + late + ends[1][1])
    assert [end[0] for end in ends] == [0, 0]
    assert len(said) == len(set(said)) == ALL and set(said) == whole(tmp_path)
    assert "warning: another process measures into this store" in ends[1][2] and "warning" not in ends[0][2]
    marks = load(tmp_path).frame.groupby("run")["disturbed"].first()
    assert all(marks[keys(late + ends[1][1])]) and not any(marks[keys(early)[:1]])


def test_the_runs_of_a_killed_process_are_measured_by_the_one_that_is_left(tmp_path):
    cases = [case for case in every_solver(["breast-cancer-l2"]) if case.solver in NAMES]
    claimed = [run_key(case, repeat) for case in cases for repeat in range(2)]

    def hold(_):
        with Locks(tmp_path) as locks:
            assert all(locks.take(key) for key in claimed)
            print("holding", flush=True)
            time.sleep(60)

    holder = Fork(hold)
    assert holder.lines(1) == ["holding\n"]
    process = Fork(app, *options(tmp_path, 3))
    free = keys(process.lines(2))  # those that nobody holds come first
    assert not set(free) & set(claimed)
    time.sleep(0.2)
    assert len(whole(tmp_path)) == 2  # and it waits for the others
    holder.send(signal.SIGKILL)
    status, rest, _ = process.end()
    holder.end()
    assert status == 0 and set(keys(rest)) == set(claimed)


def test_a_claim_is_exclusive_and_presence_is_seen(tmp_path):
    def look(_):
        with Locks(tmp_path) as locks:
            print(locks.take("a"), locks.take("b"), locks.alone(), locks.exclude_others(), flush=True)

    with Locks(tmp_path) as locks:
        assert locks.alone() and locks.take("a")
        assert Fork(look).end()[1] == ["False True False False\n"]
        locks.release("a")
        assert locks.alone()
    assert Fork(look).end()[1] == ["True True True True\n"]


def test_where_there_are_no_locks_every_run_is_measured_all_the_same(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.lockf", none)
    assert CliRunner().invoke(app, options(tmp_path, 1)).exit_code == 0
    assert len(Store(tmp_path).keys()) == len(NAMES)
