"""A run over two processes is the run of one: the same bits in both, and the same numbers to rounding."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from solvers import SOLVERS, Status, minimize
from solvers.distributed import ShardedObjective
from solvers.distributed.rows import part_of, share

from .cases import ALL, CASES, D, problem, start, stop

ROOT = Path(__file__).resolve().parents[3]
DIGITS = {"logistic-float32": 2e-5, "softmax-free": 1e-9}  # what a difference of rounding may grow to; 1e-10 elsewhere


@pytest.fixture(scope="session")
def ranks(tmp_path_factory):
    """What each of two processes found, started once for all cases."""
    folder = tmp_path_factory.mktemp("ranks")
    command = [sys.executable, "-m", "tests.solvers.distributed.ranks"]
    processes = [
        subprocess.Popen([*command, str(rank), str(folder)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for rank in (0, 1)
    ]
    said = [process.communicate(timeout=240)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in (0, 1)]


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_both_processes_take_the_same_steps_bit_by_bit(ranks, case):
    first, second = (found[case] for found in ranks)
    assert torch.equal(first["iterates"], second["iterates"])
    assert first["sent"] == second["sent"]
    for name in ("status", "message", "value", "counters"):
        assert first[name] == second[name]


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_two_processes_find_what_one_finds(ranks, case):
    name, solver = case
    found, alone = ranks[0][case], minimize(SOLVERS[solver], problem(name, ALL), start(name), stop(name, solver))
    assert found["status"] == alone.status
    if solver == "newton-sketched":  # another sketch, which takes another way
        assert found["value"] == pytest.approx(alone.value, rel=1e-9)
        assert found["iterations"] <= 1.5 * alone.iterations
        return
    if name == "dependent":  # which minimiser is found, and by how many factorisations, is rounding's choice
        assert found["value"] == pytest.approx(alone.value, rel=1e-9)
        return
    assert found["iterations"] == alone.iterations
    tolerance = DIGITS.get(name, 1e-10)
    for one, two in zip(alone.trace.iterates, found["iterates"], strict=True):
        assert float((one - two).norm()) <= tolerance * max(float(one.norm()), 1e-3)
    assert found["value"] == pytest.approx(alone.value, rel=tolerance)


@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "newton-sketched"])
def test_two_processes_count_what_one_counts(ranks, solver, without_numba):
    case = "logistic", solver
    alone = minimize(SOLVERS[solver], problem("logistic", ALL), None, stop(*case))
    assert ranks[0][case]["counters"] == alone.counters


@pytest.mark.parametrize(("name", "reason"), [("separable", "strictly"), ("one-class", "labels are of one class")])
def test_what_has_no_minimiser_is_proved_over_the_shards(ranks, name, reason):
    found = ranks[0][name, "newton-cholesky"]
    assert found["status"] == Status.SEPARABLE and reason in found["message"]


def test_quasi_separation_is_proved_over_the_shards(ranks):
    assert ranks[0]["quasi-separable", "newton-cholesky"]["status"] == Status.SEPARABLE


def test_an_exact_newton_step_sends_the_lower_triangle_once(ranks):
    """In numbers: at the start f and g; then each step a trial's f and slope, g, H, and the clock."""
    found = ranks[0]["logistic", "newton-cholesky"]
    steps, clock = found["iterations"], found["iterations"] + 3
    trial, gradient, hessian = 2, D, D * (D + 1) // 2
    collectives, sent = found["sent"]
    hessians = found["counters"]["hessians"]
    assert sent / 8 == pytest.approx((1 + D) + steps * (trial + gradient) + hessians * hessian + clock, rel=0.1)
    assert collectives <= 1 + 2 * steps + hessians + clock + 6  # bounds on rounding errors, by the last test


def test_the_clock_of_the_first_process_ends_both(ranks):
    assert ranks[0]["time limit"] == ranks[1]["time limit"]
    assert ranks[0]["time limit"][0] == Status.TIME_LIMIT


@pytest.mark.parametrize("solver", ["newton-cholesky", "lbfgs", "newton-cg"])
def test_a_run_goes_on_from_the_checkpoint_that_both_have(ranks, solver):
    for found in ranks:
        iteration, iterates = found["resumed"][solver]
        assert iteration == 2
        assert torch.equal(iterates, found["logistic", solver]["iterates"])


def test_what_is_no_number_in_one_process_ends_both(ranks):
    assert ranks[0]["NaN"] == ranks[1]["NaN"]
    assert ranks[0]["NaN"][0] == Status.DIVERGED and "nan" in ranks[0]["NaN"][1]


@pytest.mark.parametrize("csr", [False, True])
def test_the_parts_are_all_rows_in_order(csr):
    f = problem("logistic-sparse" if csr else "softmax", ALL)
    parts = [part_of(f, rank, 3) for rank in range(3)]
    assert max(len(part.X) for part in parts) - min(len(part.X) for part in parts) <= 1
    assert torch.equal(torch.cat([part.X.to_dense() for part in parts]), f.X.to_dense())
    assert torch.equal(torch.cat([part.y for part in parts]), f.y)
    assert all((part.l2, part.fit_intercept) == (f.l2, f.fit_intercept) for part in parts)


def test_no_process_is_left_without_rows():
    assert share(3, 2, 3) == slice(2, 3)
    with pytest.raises(ValueError, match="2 rows cannot be divided over 3 processes: start at most 2"):
        share(2, 0, 3)


def test_parts_that_do_not_fit_together_are_refused_in_both(ranks):
    for found in ranks:
        assert found["disagreement"] == "l2 must agree: rank 0 has 1.0, rank 1 has 2.0"


def test_the_debug_mode_finds_a_last_digit(ranks):
    for found in ranks:
        assert found["checksums"].startswith("iterates differ between processes")


def test_without_processes_the_error_says_how_to_start_them():
    with pytest.raises(RuntimeError, match="torchrun"):
        ShardedObjective(problem("logistic", ALL))


def test_what_is_no_sum_over_rows_is_refused():
    with pytest.raises(TypeError, match="FunctionObjective"):
        ShardedObjective(object())
