"""Disturbed runs, which waited for other work on the machine, on clocks that the tests set themselves."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from benchmarks.command import run as command
from benchmarks.command.main import app
from benchmarks.runner import disturbance
from benchmarks.runner import measure as measuring
from benchmarks.runner.disturbance import COLUMNS, Watch, is_disturbed
from benchmarks.runner.measure import Measurement, evaluate, measure
from benchmarks.runner.peers import run_peer
from benchmarks.runner.suites import Case, fixed
from benchmarks.store import runs as storing
from benchmarks.store.runs import Store
from datasets import build
from reports.data.runs import load
from solvers import Stop
from solvers.adapters import PEERS

CASE = Case("breast-cancer-l2", "newton-cholesky", stop=fixed(3))
KEY = "0123456789abcdef0123"
TICK = 1e-6


class Machine:
    """Clocks that stand still, and what its threads have waited, unless a test moves them."""

    def __init__(self, tasks) -> None:
        self.wall, self.cpu, self.tasks = 100.0, 7.0, tasks

    def work(self, seconds: float) -> None:
        self.wall, self.cpu = self.wall + seconds, self.cpu + seconds

    def wait(self, seconds: float) -> None:
        self.wall += seconds

    def delay(self, thread: str, seconds: float) -> None:
        path = self.tasks / thread / "schedstat"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"5 {round(1e9 * seconds)} 3\n")


@pytest.fixture
def machine(monkeypatch, tmp_path) -> Machine:
    found = Machine(tmp_path / "task")
    clocks = SimpleNamespace(perf_counter=lambda: found.wall, process_time=lambda: found.cpu)
    monkeypatch.setattr(disturbance, "time", clocks)
    monkeypatch.setattr(disturbance, "TASKS", found.tasks)
    return found


def columns(wall: float, cpu: float, delay: float = math.nan) -> dict[str, float]:
    return {"wall_seconds": wall, "cpu_seconds": cpu, "delay_seconds": delay}


@pytest.mark.parametrize(
    ("run", "device", "expected"),
    [
        (columns(0.080, 0.0016), "cpu", True),
        (columns(0.0024, 0.0016), "cpu", True),
        (columns(0.0016, 0.00161), "cpu", False),
        (columns(0.0016, 0.00155, 0.00005), "cpu", False),
        (columns(1.0, 1.9, 0.01), "cpu", False),  # two threads
        (columns(1.0, 1.3, 0.4), "cpu", True),  # one of two, while the other spins
        (columns(1.0, 0.2, 0.0), "cuda", False),  # the host waits for its GPU
        (columns(1.0, 0.2, 0.5), "cuda", True),  # the host had work for it, and no processor
        (columns(0.00005, 0.00001), "cpu", False),  # too short to tell
        (columns(math.nan, math.nan), "cpu", False),
        ({}, "cpu", False),  # runs of older code
    ],
)
def test_a_run_is_disturbed_if_a_thread_waited_or_the_processors_did_less_than_time_passed(run, device, expected):
    assert is_disturbed(run, device, TICK) is expected


def test_time_on_the_processors_in_coarse_steps_is_ignored_for_short_runs():
    assert not is_disturbed(columns(0.008, 0.0), "cpu", 0.01)
    assert is_disturbed(columns(0.080, 0.01), "cpu", 0.01)


def test_a_watch_adds_up_what_is_done_in_it_and_nothing_else(machine):
    machine.delay("1", 2.0)
    watch = Watch()
    for _ in range(2):
        with watch:
            machine.work(3.0)
            machine.wait(1.0)
        machine.wait(50.0)
    found = watch.columns()
    assert (found["wall_seconds"], found["cpu_seconds"], found["delay_seconds"]) == (8.0, 6.0, 0.0)
    assert tuple(found) == COLUMNS and all(math.isnan(value) for value in Watch().columns().values())


def test_the_thread_that_waited_longest_counts_and_one_that_is_new_began_at_nothing(machine):
    machine.delay("1", 2.0)
    with (watch := Watch()):
        machine.work(10.0)
        machine.delay("1", 3.0)
        machine.delay("2", 4.0)
    assert watch.columns()["delay_seconds"] == pytest.approx(4.0)


def test_where_the_system_does_not_tell_of_delays_they_are_not_known(machine):
    with (watch := Watch()):
        machine.wait(1.0)
    watch.subtract_time_outside(1.0)
    assert math.isnan(watch.columns()["delay_seconds"]) and is_disturbed(watch.columns(), "cpu", TICK)


def test_what_was_waited_off_the_clock_of_the_run_is_left_out(machine):
    machine.delay("1", 0.0)
    with (watch := Watch()):
        machine.work(2.0)
        machine.wait(5.0)  # before the first reading of the run, or after its last
        machine.delay("1", 5.0)
    assert is_disturbed(watch.columns(), "cpu", TICK)
    watch.subtract_time_outside(2.0)
    assert not is_disturbed(watch.columns(), "cpu", TICK)


def test_a_disturbed_run_is_marked_in_the_store_and_another_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(storing, "calibration", lambda *_: {})
    monkeypatch.setattr(storing, "is_disturbed", is_disturbed)
    store, measured = Store(tmp_path), measure(CASE)
    for key, run in ((KEY, columns(1.0, 0.3)), (KEY[::-1], columns(1.0, 1.0, 0.0))):
        rows = evaluate(replace(measured, watch=Watch(run)))
        store.write_rows(key, CASE, rows)
    marks = load(tmp_path).frame.groupby("run")["disturbed"].first()
    assert marks[KEY] and not marks[KEY[::-1]]


def test_a_measured_run_has_its_time_on_the_processors_and_one_that_raised_has_not():
    ends = [evaluate(measure(CASE))[-1], evaluate(Measurement(CASE, 0, None, "gone"))[-1]]
    assert ends[0]["wall_seconds"] == pytest.approx(ends[0]["total_seconds"]) and ends[0]["cpu_seconds"] >= 0
    assert all(math.isnan(ends[1][name]) for name in COLUMNS)


def test_the_solves_of_a_peer_are_watched_and_not_what_is_between_them(monkeypatch):
    entered = []

    class Counting(Watch):
        def __enter__(self):
            entered.append(self)
            return super().__enter__()

    problem = build("breast-cancer-l2")
    result = run_peer("scipy:BFGS", PEERS["scipy:BFGS"], problem, Stop(iterations=2), watch=Counting())
    assert len(entered) == len(result.trace.iterations) - 1 == 2
    assert run_peer("scipy:BFGS", PEERS["scipy:BFGS"], problem, Stop(iterations=2), watch=nullcontext()).iterations == 2
    monkeypatch.setattr(measuring, "Watch", Counting)
    measure(Case("breast-cancer-l2", "scipy:BFGS", stop=Stop(iterations=2)))
    assert len(entered) == 4


def test_the_command_reports_how_many_runs_were_disturbed(tmp_path, monkeypatch):
    monkeypatch.setattr(storing, "calibration", lambda *_: {})
    monkeypatch.setattr(command, "calibration", lambda *_: {})
    marks = iter([True, True, False, False])  # each run is asked about twice: for its file, and for the count
    monkeypatch.setattr(storing, "is_disturbed", lambda *_: next(marks))
    options = ["run", "--problem", "iris", "--solver", "newton", "--repeats", "2", "--store", str(tmp_path)]
    outcome = CliRunner().invoke(app, options)
    assert outcome.exit_code == 0 and "disturbed 1 of these 2 runs" in outcome.stderr
    monkeypatch.setattr(storing, "is_disturbed", lambda *_: False)
    assert "disturbed" not in CliRunner().invoke(app, [*options[:-1], str(tmp_path / "other")]).stderr
