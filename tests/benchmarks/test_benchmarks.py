"""The clock, the ledger, and the rows and keys of runs: none of these tests uses real time."""

from __future__ import annotations

import math
import os
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import solvers.common.clock
from benchmarks.grid import CORE, MORE
from benchmarks.runner.environment import commit_of
from benchmarks.runner.measure import Measurement, evaluate, measure
from benchmarks.runner.suites import SUITES, Case, classic, fixed, select
from benchmarks.store import runs as store
from benchmarks.store.runs import run_key
from datasets import PROBLEMS, breast_cancer, build, certificate
from datasets.registry import recipe
from solvers import PHASES, SOLVERS, GradientDescent, Ledger, Newton, Status, Stop, device_clock, minimize
from solvers.common.instrumentation import current, phase
from solvers.objectives import LogisticRegression
from tests.fakes import FakeDevice, QueuedSquare, Raising

PENALISED = Case("breast-cancer-l2", "newton-cholesky")


# --- clocks


@pytest.fixture(params=["cuda", "mps"])
def fake(request, monkeypatch):
    """A fake device behind the name of a real backend, the clock for it, and that name."""
    device = FakeDevice()
    monkeypatch.setattr(getattr(torch, request.param), "synchronize", device.synchronize)
    monkeypatch.setattr(solvers.common.clock, "perf_counter", device.read_without_waiting)
    return device, device_clock(request.param), request.param


def test_a_reading_waits_for_all_work_queued_so_far(fake):
    device, clock, _ = fake
    began = clock()
    device.launch(2.0)
    device.launch(3.0)
    assert device.read_without_waiting() == began  # the trap: the host believes that nothing has happened
    assert clock() - began == 5.0
    assert clock() - began == 5.0


def test_the_clock_waits_for_the_given_cuda_device(monkeypatch):
    device = FakeDevice()
    monkeypatch.setattr(torch.cuda, "synchronize", device.synchronize)
    device_clock("cuda:1")()
    assert device.waited_for == [torch.device("cuda:1")]


def test_the_cpu_is_not_waited_for():
    assert device_clock("cpu") is device_clock(torch.device("cpu")) is solvers.common.clock.perf_counter


def test_the_trace_of_a_run_on_an_asynchronous_device_is_exact(fake):
    device, clock, _ = fake
    stop = Stop(gap_tolerance=None, iterations=4)
    x0 = torch.ones(2, dtype=torch.float64)
    result = minimize(GradientDescent(0.5), QueuedSquare(device), x0, stop, clock=clock)
    # The first gradient is asked for before the first reading, to check its shape, and then kept.
    steps = [later - earlier for earlier, later in pairwise(result.trace.seconds)]
    assert result.trace.seconds[0] == 3.0
    assert steps == [1.0, 3.0, 3.0, 3.0]


def test_a_clock_that_does_not_wait_sees_nothing_of_such_a_run(fake):
    device, _, _ = fake
    stop, x0 = Stop(gap_tolerance=None, iterations=4), torch.ones(2, dtype=torch.float64)
    wrong = minimize(GradientDescent(0.5), QueuedSquare(device), x0, stop, clock=device.read_without_waiting)
    assert wrong.trace.seconds == [0.0] * 5


# --- phases


class Ticking:
    """A clock whose every reading is a different number of seconds after the last, all exact in binary."""

    def __init__(self) -> None:
        self.readings = [0.0]

    def __call__(self) -> float:
        self.readings.append(self.readings[-1] + 0.25 * (1 + len(self.readings) % 7))
        return self.readings[-1]

    @property
    def elapsed(self) -> float:
        return self.readings[-1] - self.readings[1]


FACTORED = ("factorisations", "eigendecompositions", "kronecker_factorisations")


@pytest.mark.parametrize("name", SOLVERS)
def test_the_phases_of_a_run_add_up_to_its_time_exactly(name):
    clock = Ticking()
    ledger = Ledger(clock)
    problem = build("breast-cancer-l2")
    result = minimize(SOLVERS[name], problem.objective, stop=Stop(iterations=20), clock=clock, ledger=ledger)
    assert result.iterations > 5
    assert set(ledger.seconds) == set(PHASES)
    assert sum(ledger.seconds.values()) == clock.elapsed > 0
    assert ledger.seconds["gradient"] > 0 and ledger.seconds["other"] > 0
    factored = sum(count for name, count in ledger.counts.items() if name in FACTORED)
    assert (ledger.seconds["factorise"] > 0) == (factored > 0)
    assert (ledger.seconds["line search"] > 0) == (ledger.counts["line_search_trials"] > 0)


def test_time_belongs_to_the_innermost_phase():
    now = [0.0]
    ledger = Ledger(lambda: now[0])

    def spend(seconds: float) -> None:
        now[0] += seconds

    spend(1)
    with ledger.phase("line search"):
        spend(2)
        with ledger.phase("gradient"):
            spend(4)
        spend(8)
        with ledger.phase("gradient"), ledger.phase("hessian"):
            spend(16)
    spend(32)
    ledger.charge()
    found = {name: seconds for name, seconds in ledger.seconds.items() if seconds}
    assert found == {"line search": 10, "gradient": 4, "hessian": 16, "other": 33}
    assert (ledger.calls["line search"], ledger.calls["gradient"], ledger.calls["hessian"]) == (1, 2, 1)


def test_a_phase_that_raises_is_still_charged_and_closed():
    now = [0.0]
    ledger = Ledger(lambda: now[0])
    with pytest.raises(ArithmeticError), ledger.phase("solve"):
        now[0] += 3
        raise ArithmeticError
    now[0] += 1
    ledger.charge()
    assert (ledger.seconds["solve"], ledger.seconds["other"]) == (3, 1)


def test_outside_a_run_nothing_is_left_open():
    before = current.get()
    minimize(Newton(), build("breast-cancer-l2").objective, stop=Stop(iterations=1), ledger=Ledger(Ticking()))
    assert current.get() is before
    with phase("gradient"):
        pass
    assert not any(before.seconds.values())


# --- rows


def mean_loss(X, y, w) -> float:
    """An independent formula: log(1 + e^z) - y z."""
    z = X.numpy() @ w
    return float((np.logaddexp(0, z) - y.numpy() * z).mean())


@pytest.fixture(scope="module")
def penalised_run() -> Measurement:
    return measure(PENALISED, repeat=3)


def test_a_row_holds_what_an_independent_formula_finds(penalised_run):
    data, known = breast_cancer(), certificate("breast-cancer-l2")
    rows, iterates = evaluate(penalised_run), penalised_run.result.trace.iterates
    assert len(rows) == len(iterates) == penalised_run.result.iterations + 1
    for row, x in zip(rows, iterates, strict=True):
        w = x.numpy()
        value = mean_loss(data.X, data.y, w) + w @ w / (2 * 398)
        assert row["value"] == pytest.approx(value, rel=1e-13)
        assert row["gap"] == row["value"] - known.optimum
        assert row["test_loss"] == pytest.approx(mean_loss(data.X_test, data.y_test, w), rel=1e-13)
        for part, X, y in (("train", data.X, data.y), ("test", data.X_test, data.y_test)):
            assert row[f"{part}_accuracy"] == np.mean((X.numpy() @ w >= 0) == (y.numpy() == 1))
        p = 1 / (1 + np.exp(-data.X.numpy() @ w))
        gradient = data.X.numpy().T @ (p - data.y.numpy()) / 398 + w / 398
        assert row["gradient_norm"] == pytest.approx(np.abs(gradient).max(), abs=1e-15)
        assert row["norm"] == pytest.approx(np.linalg.norm(w), rel=1e-13)


def test_rows_say_which_run_and_which_iterate_they_are_of(penalised_run):
    rows, trace = evaluate(penalised_run), penalised_run.result.trace
    assert [row["iteration"] for row in rows] == trace.iterations
    assert [row["seconds"] for row in rows] == trace.seconds
    assert [row["factorisations"] for row in rows] == [c["factorisations"] for c in trace.counters]
    first = rows[0]
    assert (first["problem"], first["solver"], first["repeat"]) == ("breast-cancer-l2", "newton-cholesky", 3)
    assert (first["dtype"], first["device"], first["threads"]) == ("float64", "cpu", 1)
    assert (first["status"], first["minimiser"], first["iteration"]) == ("converged", True, 0)
    assert first["value"] == pytest.approx(math.log(2)) and 0 <= rows[-1]["gap"] < 1e-12
    assert rows[-1]["seconds"] <= first["total_seconds"] == penalised_run.result.seconds


def test_a_float32_run_is_evaluated_in_float64():
    run = measure(replace(PENALISED, dtype="float32"))
    last, x = evaluate(run)[-1], run.result.x
    assert x.dtype == torch.float32
    assert last["value"] == float(build("breast-cancer-l2").objective.at(x.double()).value)
    assert last["value"] != run.result.value  # that one was rounded to float32 on the way
    assert 1e-16 < last["gap"] < 1e-6


def test_without_a_minimiser_there_is_no_gap():
    rows = evaluate(measure(Case("breast-cancer", "newton", stop=fixed(3))))
    assert len(rows) == 4 and all(math.isnan(row["gap"]) for row in rows)
    assert not any(row["minimiser"] for row in rows)


def test_the_runs_of_a_network_descend_and_say_why_they_have_no_gap():
    """Its Hessian is indefinite at the start: the damped solvers descend all the same."""
    for solver in ("newton-cholesky", "newton-damped", "newton-levenberg", "newton-cg", "newton-diagonal-damped"):
        rows = evaluate(measure(Case("mlp-breast-cancer-mean10", solver, stop=fixed(20))))
        values = [row["value"] for row in rows]
        assert all(after <= before for before, after in pairwise(values)) and values[-1] < 0.1 * values[0]
        assert {(row["no_gap"], row["minimiser"]) for row in rows} == {("f* is not known", False)}
        assert all(math.isnan(row["gap"]) for row in rows) and rows[-1]["test_accuracy"] > 0.85


def test_softmax_runs_end_at_the_certified_optimum():
    rows = evaluate(measure(Case("iris", "newton-cholesky")))
    assert rows[0]["status"] == "converged" and rows[0]["value"] == pytest.approx(math.log(3))
    assert abs(rows[-1]["gap"]) < 3e-11 and rows[-1]["test_accuracy"] > 0.9


def test_a_hessian_that_does_not_fit_is_refused_in_one_sentence_and_products_are_not(monkeypatch):
    (row,) = evaluate(measure(Case("synthetic-4x100000", "newton", stop=fixed(1))))  # 75 GiB a matrix
    assert row["status"] == "error" and row["message"].startswith("100000 coefficients make a Hessian too large: ")
    monkeypatch.setattr("benchmarks.runner.measure.memory", lambda device: 100_000)
    case = Case("mlp-breast-cancer-mean10", "newton", stop=fixed(2))  # 121 coefficients: 3 x 117 kB
    (row,) = evaluate(measure(case))
    assert row["status"] == "error" and "121 coefficients" in row["message"] and "newton-cg" in row["message"]
    for solver in ("newton-diagonal", "newton-levenberg"):  # a network has no diagonal without the Hessian
        assert measure(replace(case, solver=solver)).status == Status.ERROR
    for solver in ("gradient-descent", "newton-cg"):
        assert measure(replace(case, solver=solver)).status == Status.ITERATION_LIMIT
    assert measure(Case("breast-cancer-l2", "newton-diagonal", stop=fixed(2))).status == Status.ITERATION_LIMIT


def test_what_a_method_makes_of_the_data_is_made_on_the_clock(monkeypatch):
    """X X^T of a wide problem, in the warm-up and once more in the run that counts."""
    made, product = [], LogisticRegression.row_products.function
    monkeypatch.setattr(LogisticRegression.row_products, "function", lambda f: made.append(1) or product(f))
    measurement = measure(Case("synthetic-wide", "newton-cholesky", stop=fixed(2)))
    assert measurement.status == "iteration limit" and len(made) == 2


def test_the_clock_covers_one_run_and_not_its_warm_up(monkeypatch):
    calls = []

    def spy(solver, objective, x0, stop, **keywords):
        calls.append(stop.iterations)
        return minimize(solver, objective, x0, stop, **keywords)

    monkeypatch.setattr("benchmarks.runner.measure.minimize", spy)
    run = measure(replace(PENALISED, stop=fixed(7)))
    assert calls == [3, 7] and run.result.iterations == 7


def test_measuring_uses_the_threads_of_the_case(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    measure(replace(PENALISED, threads=2, stop=fixed(1)))
    assert asked == [2]


def test_a_solver_that_raises_is_one_row_with_status_error(monkeypatch):
    monkeypatch.setitem(SOLVERS, "raising", Raising())
    run = measure(Case("breast-cancer-l2", "raising"))
    (row,) = evaluate(run)
    assert run.status == Status.ERROR and run.result is None
    assert row["status"] == "error" and row["message"] == "ArithmeticError: no step today"
    assert (row["solver"], row["iteration"]) == ("raising", 0) and math.isnan(row["total_seconds"])


# --- the key of a run


@pytest.fixture
def plain_key(monkeypatch):
    """The key of one case, on a machine that is named by its device."""
    monkeypatch.setattr(store, "machine", lambda device: f"a machine with {device}")
    return run_key(PENALISED, 0)


DIFFERENT_CASES = {
    "problem": replace(PENALISED, problem="breast-cancer"),
    "solver": replace(PENALISED, solver="newton-damped"),
    "a setting": replace(PENALISED, settings=(("shrink", 0.25),)),
    "dtype": replace(PENALISED, dtype="float32"),
    "device": replace(PENALISED, device="cuda"),
    "threads": replace(PENALISED, threads=2),
    "gap tolerance": replace(PENALISED, stop=Stop(gap_tolerance=1e-9)),
    "gradient tolerance": replace(PENALISED, stop=Stop(gradient_tolerance=1e-9)),
    "iterations": replace(PENALISED, stop=Stop(iterations=999)),
    "budget": replace(PENALISED, stop=Stop(seconds=1.0)),
    "separation": replace(PENALISED, stop=Stop(stop_when_separable=False)),
}


def test_the_keys_of_all_ingredients_differ(plain_key, monkeypatch):
    keys = [plain_key, *(run_key(case, 0) for case in DIFFERENT_CASES.values()), run_key(PENALISED, 1)]
    problem = build("breast-cancer-l2")
    for name, value in (
        ("machine", lambda device: "another machine"),
        ("code_version", lambda: "another version"),
        ("build", lambda name: replace(problem, checksum="other data")),
        ("MEASURED", store.MEASURED + 1),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(store, name, value)
            keys.append(run_key(PENALISED, 0))
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 20 and set(key) <= set("0123456789abcdef") for key in keys)


def test_the_key_is_the_same_in_another_commit_and_whatever_the_calibration(plain_key, monkeypatch):
    monkeypatch.setattr(store, "provenance", lambda *_: {"commit": "another"})
    monkeypatch.setattr(store, "calibration", lambda *_: pytest.fail("the key asked for the calibration"))
    monkeypatch.setattr(store, "environment", lambda *_: {"torch": "another"})
    assert run_key(PENALISED, 0) == plain_key


def repository(folder: Path) -> str:
    """A repository with one commit; its name, twelve digits."""
    folder.mkdir(parents=True)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@example.org", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=plain).stdout.strip()

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", folder.name)
    return git("rev-parse", "--short=12", "HEAD")


def test_the_commit_is_that_of_this_checkout_and_of_no_repository_around_it(tmp_path):
    outer, unpacked = repository(tmp_path / "outer"), tmp_path / "outer" / "unpacked"
    unpacked.mkdir()
    assert commit_of(tmp_path / "outer").rstrip("+") == outer
    assert commit_of(unpacked) == "" and commit_of(tmp_path) == ""
    inner = repository(unpacked / "inner")
    assert commit_of(unpacked / "inner") == inner != outer
    (unpacked / "inner" / "new").touch()
    assert commit_of(unpacked / "inner") == f"{inner}+"
    (tmp_path / "link").symlink_to(tmp_path / "outer" / "unpacked" / "inner")
    assert commit_of(tmp_path / "link") == f"{inner}+"


def test_variables_of_git_do_not_change_the_commit(tmp_path, monkeypatch):
    other = repository(tmp_path / "other")
    own = repository(tmp_path / "own")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    assert commit_of(tmp_path / "own") == own != other
    (tmp_path / "plain").mkdir()
    assert commit_of(tmp_path / "plain") == ""


def test_the_key_depends_on_settings_and_not_on_how_they_are_given(plain_key):
    registered = tuple((name, getattr(SOLVERS["newton-cholesky"], name)) for name in ("shrink", "sufficient"))
    assert run_key(replace(PENALISED, settings=registered), 0) == plain_key
    assert run_key(replace(PENALISED, variant="for readers"), 0) == plain_key


# --- suites


def test_the_classic_suite_is_the_classic_comparison():
    cases = [case for case in classic() if case.problem == "breast-cancer"]
    assert {(c.label, c.dtype, c.stop.iterations) for c in cases} == {
        (label, dtype, iterations)
        for dtype in ("float32", "float64")
        for label, iterations in (
            ("gradient-descent", 200),
            ("newton", 30),
            ("newton-diagonal rate 1", 80),
            ("newton-diagonal rate 0.1", 80),
        )
    }
    assert not any(c.stop.tests or c.stop.stop_when_separable for c in cases)
    beside = [case.solver for case in classic() if case.problem == "breast-cancer-l2"]
    assert beside == list(SOLVERS)


@pytest.mark.parametrize("suite", SUITES)
def test_the_cases_of_a_suite_differ_and_can_be_made(suite):
    cases = SUITES[suite]()
    descriptions = [repr(sorted(case.describe().items())) for case in cases]
    assert len(set(descriptions)) == len(cases) > 0
    assert all(callable(recipe(case.problem)) for case in cases)


def test_the_suites_cover_every_problem_and_only_one_needs_files():
    assert {case.problem for suite in SUITES.values() for case in suite()} >= set(PROBLEMS)
    fetched = {name for name in PROBLEMS if PROBLEMS[name].needs}
    assert {case.problem for case in SUITES["real"]()} == fetched >= {"mnist", "mnist-views", "a9a", "mlp-mnist-views"}
    assert not fetched & {case.problem for name in ("classic", "quick", "full") for case in SUITES[name]()}
    assert ("mnist", "newton") not in {(case.problem, case.solver) for case in SUITES["real"]()}


def test_a_solver_without_needs_is_left_out_of_large_problems_and_breaks_no_suite(monkeypatch):
    monkeypatch.setitem(SOLVERS, "raising", Raising())
    cases = {(case.problem, case.solver) for suite in SUITES.values() for case in suite()}
    assert ("a9a", "raising") in cases and ("mnist", "raising") not in cases and ("mnist", "newton-cg") in cases


def test_select_keeps_chooses_and_multiplies():
    cases = SUITES["quick"]()
    assert select(cases) == cases
    some = select(cases, problems=["breast-cancer"], solvers=["newton", "newton-damped"])
    assert [(case.problem, case.solver) for case in some] == [
        ("breast-cancer", "newton"),
        ("breast-cancer", "newton-damped"),
    ]
    grown = select(some, dtypes=["float32", "float64"], threads=[1, 2], time_limit=2.0)
    assert len(grown) == len(set(grown)) == 8
    assert all(case.stop.seconds == 2.0 for case in grown)
    assert len(select(some, dtypes=["float32", "float32"])) == 2


def test_asv_measures_every_registered_solver():
    missing = set(SOLVERS) - {*CORE, *MORE}
    assert not missing, f"add {sorted(missing)} to MORE in benchmarks/grid.py"
