"""What is off until a GPU has measured it: the same answers as the usual way, and the same proofs."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from benchmarks.audit.simulated_cuda import SimulatedCuda
from solvers import SOLVERS, Ledger, Status, Stop, minimize
from solvers.common.sources import ROOT
from solvers.linalg import kernels
from solvers.linalg.coarse_gram import PRECISIONS, coarse_gram
from solvers.linalg.kernels import gram_in_one_pass, weighted_gram
from solvers.objectives import LogisticRegression
from solvers.objectives.linear import captured
from solvers.objectives.linear.captured import WIDEST, CapturedLogisticRegression

NEWTON = SOLVERS["newton-cholesky"]
UNITS = {"float32": 2**-24, "tf32": 2**-24, "bfloat16": 2**-9}  # rounding units; on the CPU TF32 is float32


def data(n: int = 900, d: int = 7, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(n, d, generator=generator, dtype=torch.float64) @ torch.diag(torch.logspace(0, 2, d).double())
    return X.to(dtype), torch.bernoulli(torch.sigmoid(X[:, 0]), generator=generator).to(dtype)


PROBLEMS = [{"l2": 1e-3}, {"l2": 0.0}, {"l2": 1e-3, "fit_intercept": True}]


@pytest.mark.parametrize("options", PROBLEMS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_coarse_hessian_leads_to_the_same_minimum_with_an_exact_proof(precision, options):
    f = LogisticRegression(*data(), **options)
    usual = minimize(NEWTON, f)
    ledger = Ledger()
    found = minimize(replace(NEWTON, hessian_precision=precision), f, ledger=ledger)
    assert found.status is usual.status is Status.CONVERGED
    assert abs(found.value - usual.value) <= 1e-9 * usual.value
    exact = f.at(found.x)
    decrement = float(exact.gradient @ torch.linalg.solve(exact.hessian, exact.gradient)) / 2
    assert found.gap_bound is None or found.gap_bound >= 0.99 * decrement
    assert ledger.counts["hessians"] >= found.iterations


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_coarse_gram_matrix_has_the_digits_of_its_precision(precision):
    X, _ = data()
    c, base = torch.rand(len(X), dtype=X.dtype), torch.eye(X.shape[1], dtype=X.dtype)
    exact = base + 0.5 * X.T @ (c.unsqueeze(1) * X)
    found = coarse_gram(X.to(PRECISIONS[precision]), c, base, 0.5, precision)
    assert found.dtype == X.dtype
    error = float((found - exact).abs().max() / exact.abs().max())
    # A row is rounded once or twice, and n products are added in float32, one after the other at worst.
    assert 0 < error < 4 * UNITS[precision] + len(X) * UNITS["float32"]


def test_an_unknown_precision_is_told_with_those_that_there_are():
    with pytest.raises(ValueError, match="one of full, float32, tf32, bfloat16, found 'half'"):
        replace(NEWTON, hessian_precision="half")


@pytest.mark.parametrize("together", [2, 5])
def test_trials_made_together_are_the_trials_made_one_by_one(together):
    X, y = data()
    f, start = LogisticRegression(30 * X, y, l2=1e-3), torch.linspace(-3, 3, X.shape[1], dtype=X.dtype)
    alone, joint = (minimize(replace(NEWTON, trials_together=k), f, start) for k in (1, together))
    assert alone.counters["line_search_trials"] > alone.iterations  # some are rejected
    assert torch.equal(alone.x, joint.x) and alone.iterations == joint.iterations
    assert alone.counters["line_search_trials"] == joint.counters["line_search_trials"]


def test_trials_made_together_are_read_at_once():
    X, y = data()
    reads = []
    for together in (1, 8):
        with SimulatedCuda() as device:
            f = LogisticRegression(30 * X.to(device.name), y.to(device.name), l2=1e-3)
            start = torch.linspace(-3, 3, X.shape[1], dtype=X.dtype).to(device.name)
            minimize(replace(NEWTON, trials_together=together), f, start, Stop(iterations=3))
            reads.append(sum(device.reads.values()))
    assert reads[1] < reads[0]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("options", PROBLEMS)
def test_a_captured_point_is_the_point_itself(options, dtype, without_numba):
    X, y = data(dtype=dtype)
    usual = minimize(NEWTON, LogisticRegression(X, y, **options))
    f = CapturedLogisticRegression(X, y, **options)
    for _ in range(2):  # the graph is made, and made again
        found = minimize(NEWTON, f)
        assert (found.status, found.iterations, found.value) == (usual.status, usual.iterations, usual.value)
        assert torch.equal(found.x, usual.x)
        assert found.counters["gradients"] >= found.counters["factorisations"] == found.counters["hessians"] > 0
        f.forget()
        assert "captured" not in f.__dict__


def test_every_solver_runs_on_captured_points():
    X, y = data(300, 4)
    for name, solver in SOLVERS.items():
        usual = minimize(solver, LogisticRegression(X, y, l2=1e-2), stop=Stop(iterations=30))
        found = minimize(solver, CapturedLogisticRegression(X, y, l2=1e-2), stop=Stop(iterations=30))
        assert found.value == pytest.approx(usual.value, rel=1e-9), name


def test_a_captured_iteration_is_read_once_and_queues_a_few_launches(monkeypatch):
    work = []
    monkeypatch.setattr(captured, "recorded", lambda function, device: lambda: work.append(_unseen(function)))
    X, y = data()

    def run(make) -> tuple[int, int, int]:
        with SimulatedCuda() as device:
            f, unseen.device = make(X.to(device.name), y.to(device.name), l2=1e-3), device
            minimize(NEWTON, f, stop=Stop(iterations=2))
            before = sum(device.reads.values()), device.launches
            found = minimize(NEWTON, f)
            return found.iterations, sum(device.reads.values()) - before[0], device.launches - before[1]

    iterations, reads, launches = run(CapturedLogisticRegression)
    same, usual_reads, usual_launches = run(LogisticRegression)
    assert iterations == same and work
    assert reads < usual_reads and launches < usual_launches / 2


class unseen:  # noqa: N801
    """Work on a simulated device that is one launch and no read, as a replayed graph is."""

    device: SimulatedCuda


def _unseen(function) -> None:
    before = unseen.device.launches, unseen.device.reads.copy()
    function()
    unseen.device.launches, unseen.device.reads = before[0] + 1, before[1]


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (torch.ones(3, 2).to_sparse_csr(), torch.tensor([0.0, 1, 1])),
        (torch.ones(3, 2), torch.tensor([0.5, 1, 1])),
        (torch.ones(3, WIDEST + 1), torch.tensor([0.0, 1, 1])),
    ],
)
def test_what_cannot_be_captured_is_told(X, y):
    with pytest.raises(ValueError, match="build a LogisticRegression"):
        CapturedLogisticRegression(X, y)


def test_the_one_pass_kernel_is_called_on_a_device_alone(monkeypatch):
    from types import ModuleType

    called = []
    stand_in = ModuleType("triton_gram")
    stand_in.one_pass_gram = lambda X, c, base, scale: called.append(X.device.type) or base
    monkeypatch.setitem(sys.modules, "solvers.linalg.triton_gram", stand_in)
    monkeypatch.setattr(sys.modules["solvers.linalg"], "triton_gram", stand_in, raising=False)
    monkeypatch.setattr(kernels, "SMALL_BYTES", 0)
    monkeypatch.setattr(kernels, "find_spec", lambda name: True)
    X, c, base = torch.ones(4, 2), torch.ones(4), torch.eye(2)
    with gram_in_one_pass():
        weighted_gram(X, c, base)
        with SimulatedCuda() as device:
            weighted_gram(X.to(device.name), c.to(device.name), base.to(device.name))
    with SimulatedCuda() as device:
        weighted_gram(X.to(device.name), c.to(device.name), base.to(device.name))
    assert called == ["cuda"]


INTERPRETED = """
import torch
from solvers.linalg.triton_gram import one_pass_gram
for n, d, kind in [(5, 1, "float64"), (130, 30, "float32"), (300, 100, "float64"), (1000, 70, "float32")]:
    X = torch.randn(n, d, generator=torch.Generator().manual_seed(0)).to(getattr(torch, kind))
    c, base = torch.linspace(0, 1, n, dtype=X.dtype), torch.eye(d, dtype=X.dtype)
    exact = base + 0.5 * X.T @ (c.unsqueeze(1) * X)
    for rows in (X, X.T.contiguous().T):
        torch.testing.assert_close(one_pass_gram(rows, c, base, 0.5), exact)
print("equal")
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed: it comes with torch for CUDA")
def test_the_one_pass_kernel_is_right_in_tritons_interpreter():
    import os

    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED],
        cwd=ROOT,
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "equal", done.stderr[-2000:]
