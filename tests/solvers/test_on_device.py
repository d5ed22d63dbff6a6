"""Every solver on every objective on a CUDA device: the one of HESSBENCH_DEVICE, else one that is not there."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator

import pytest
import torch

from benchmarks.audit.simulated_cuda import SimulatedCuda
from benchmarks.runner.environment import memory
from benchmarks.runner.measure import evaluate, measure
from benchmarks.runner.suites import Case
from benchmarks.store.reading import read
from benchmarks.store.runs import Store, run_key
from benchmarks.store.verification import verify
from datasets import build
from solvers import SOLVERS, Ledger, Status, Stop, device_clock, minimize
from solvers.objectives import FunctionObjective, LeastSquares, LogisticRegression, ResidualMLP, SoftmaxRegression

pytestmark = pytest.mark.cuda
REAL = os.environ.get("HESSBENCH_DEVICE", "")
STOP = Stop(iterations=8)


def data() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(40, 4, generator=generator, dtype=torch.float64)
    y = torch.bernoulli(torch.sigmoid(X[:, 0]), generator=generator)
    return X, y, torch.randint(0, 3, (40,), generator=generator)


def logistic(place: str):
    X, y, _ = (part.to(place) for part in data())
    return LogisticRegression(X, y, l2=0.01, fit_intercept=True)


def free_logistic(place: str):
    X, y, _ = (part.to(place) for part in data())
    return LogisticRegression(X, y)


def csr(place: str):
    X, y, _ = data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return LogisticRegression(X.where(X > 0, 0.0).to_sparse_csr().to(place), y.to(place), l2=0.01)


def softmax(place: str):
    X, _, classes = (part.to(place) for part in data())
    return SoftmaxRegression(X, classes, l2=0.01, fit_intercept=True)


def mlp(place: str):
    X, y, _ = (part.to(place) for part in data())
    return ResidualMLP(X, y)


def function(place: str):
    return FunctionObjective(lambda x: (x - 1).square().sum() + x.pow(4).sum())


def least_squares(place: str):
    return LeastSquares(lambda x: torch.cat([x.square() - 1, x[:1] * x[1:2]]))


OBJECTIVES = {make.__name__: make for make in (logistic, free_logistic, csr, softmax, mlp, function, least_squares)}


def start(objective, place: str) -> torch.Tensor:
    size = getattr(objective, "size", 3)
    return torch.linspace(0.2, 0.5, size, dtype=torch.float64).to(place)


@pytest.fixture
def place() -> Iterator[str]:
    if REAL:
        yield REAL
    else:
        with SimulatedCuda() as device:
            yield device.name


@pytest.mark.parametrize("problem", OBJECTIVES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_ends_on_the_device_as_on_the_cpu(solver, problem, place):
    make = OBJECTIVES[problem]
    here = minimize(SOLVERS[solver], make("cpu"), start(make("cpu"), "cpu"), STOP)
    objective = make(place)
    there = minimize(SOLVERS[solver], objective, start(objective, place), STOP)
    assert there.x.device.type == torch.device(place).type
    torch.testing.assert_close(there.value, here.value, rtol=1e-6, atol=1e-9)
    if not REAL:  # the same arithmetic: the last digits of another device's may decide a test
        assert (there.status, there.iterations) == (here.status, here.iterations)
        torch.testing.assert_close(there.x.cpu(), here.x, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["breast-cancer-l2", "digits", "synthetic-sparse", "mlp-breast-cancer-mean10"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_problems_are_measured_on_the_device_and_judged_by_the_certificate(name, dtype, place):
    case = Case(name, "newton-cg", stop=Stop(iterations=15), dtype=dtype, device=place)
    measured = measure(case)
    assert measured.result is not None, measured.message
    rows = evaluate(measured)
    assert rows[-1]["device"] == place and len(rows) > 1
    assert rows[-1]["value"] < rows[0]["value"]
    assert memory(place) > 0


def test_phases_add_up_on_the_device(place):
    clock, readings = device_clock(place), []

    def read() -> float:
        readings.append(clock())
        return readings[-1]

    ledger = Ledger(read)
    found = minimize(SOLVERS["newton-cholesky"], logistic(place), ledger=ledger, clock=clock)
    assert found.status is Status.CONVERGED
    assert sum(ledger.seconds.values()) == pytest.approx(readings[-1] - readings[0], rel=1e-6)
    assert 0 < found.seconds < readings[-1] - readings[0]


def test_a_problem_is_built_on_the_device(place):
    problem = build("breast-cancer-l2", torch.float32, place)
    assert problem.x0.device.type == torch.device(place).type and problem.x0.dtype == torch.float32


@pytest.mark.skipif(bool(REAL), reason="a GPU adds in the order in which its blocks come along")
def test_a_run_on_the_device_is_stored_and_verified_bit_for_bit(place, tmp_path):
    case = Case("breast-cancer-l2", "newton-cholesky", stop=Stop(iterations=3), device=place)
    store = Store(tmp_path / "runs")
    store.prepare()
    store.write_rows(run_key(case, 0), case, evaluate(measure(case)))
    stored = read(store.folder)
    assert not stored.skipped and len(stored.metadata) == 1
    (about,) = stored.metadata.values()
    assert "simulated GPU" in json.dumps(about)
    (outcome,) = verify(stored, None)
    assert (outcome.reason, outcome.difference) == ("", "")
