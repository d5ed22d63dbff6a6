"""Every solver on every objective on a CUDA device that is not there: devices do not mix, and the host waits."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import pytest
import torch

from solvers import SOLVERS, Ledger, Status, Stop, device_clock, minimize
from solvers.objectives import FunctionObjective, LeastSquares, LogisticRegression, ResidualMLP, SoftmaxRegression
from tests.simulated_cuda import CudaTensor, SimulatedCuda

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


@pytest.mark.parametrize("problem", OBJECTIVES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_ends_on_the_device_as_on_the_cpu(solver, problem):
    make = OBJECTIVES[problem]
    here = minimize(SOLVERS[solver], make("cpu"), start(make("cpu"), "cpu"), STOP)
    with SimulatedCuda() as device:
        objective = make(device.name)
        there = minimize(SOLVERS[solver], objective, start(objective, device.name), STOP)
        assert isinstance(there.x, CudaTensor) and there.x.device == torch.device("cuda", 0)
        x = there.x.cpu()
    assert (there.status, there.iterations) == (here.status, here.iterations)
    torch.testing.assert_close(x, here.x, rtol=1e-6, atol=1e-9)


# --- the simulation finds what it is for


@dataclass(frozen=True)
class Planted:
    """Newton's step with something planted in it."""

    plant: str

    def init(self, point):
        return None

    def step(self, point, state):
        step = torch.linalg.solve(point.hessian, -point.gradient)
        if self.plant == "mixed devices":
            step = step * torch.ones(len(step), dtype=step.dtype)
        if self.plant == "a read":
            assert step.isfinite().all()
        return point + step, state


def run(plant: str) -> SimulatedCuda:
    with SimulatedCuda(seconds=1e-3) as device:
        objective = logistic(device.name)
        device.reads.clear()
        minimize(Planted(plant), objective, stop=Stop(gap_tolerance=None, iterations=5))
    return device


def test_a_planted_mixed_device_is_found():
    with pytest.raises(RuntimeError, match="cuda:0 and cpu"):
        run("mixed devices")


def test_a_planted_read_is_counted():
    assert run("a read").reads.total() - run("nothing").reads.total() == 5


@pytest.mark.parametrize("waits", [True, False])
def test_a_missing_wait_shows_in_the_time(monkeypatch, waits):
    """With a clock that does not wait for the device, the time of its work is not seen."""
    with SimulatedCuda(seconds=1.0) as device:
        monkeypatch.setattr("solvers.common.clock.perf_counter", device.clock)
        clock = device_clock(device.name) if waits else device.clock
        X = torch.ones(3, 3).to(device.name)
        began = clock()
        X @ X @ X
        took = clock() - began
    assert took == (2.0 if waits else 0.0)


def test_a_scalar_of_the_cpu_may_take_part_and_a_vector_may_not():
    with SimulatedCuda() as device:
        x = torch.ones(3).to(device.name)
        assert (x * torch.tensor(2.0)).device.type == "cuda"
        assert x[torch.tensor([0, 2])].shape == (2,)
        with pytest.raises(RuntimeError, match="same device"):
            x + torch.ones(3)
        with pytest.raises(TypeError, match="cuda:0"):
            x.numpy()


def test_what_torch_makes_on_the_way_is_on_the_device():
    with SimulatedCuda() as device:
        x = torch.ones(3, device=device.name)
        for made in (torch.zeros_like(x), x.new_tensor([1.0]), torch.arange(3, device=x.device), torch.outer(x, x)):
            assert made.device == x.device


def test_phases_add_up_on_a_device_that_runs_behind(monkeypatch):
    with SimulatedCuda(seconds=1e-3) as device:
        monkeypatch.setattr("solvers.common.clock.perf_counter", device.clock)
        clock = device_clock(device.name)
        ledger = Ledger(clock)
        objective = logistic(device.name)
        found = minimize(SOLVERS["newton-cholesky"], objective, ledger=ledger, clock=clock)
    assert found.status is Status.CONVERGED and found.seconds > 0
    assert sum(ledger.seconds.values()) == pytest.approx(found.seconds, rel=0.05)
