"""The CUDA device that is not there: it finds mixed devices, reads by the host, and a missing wait."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from benchmarks.audit.simulated_cuda import SimulatedCuda
from solvers import SOLVERS, Ledger, Status, Stop, device_clock, minimize
from solvers.objectives import LogisticRegression


def logistic(place: str) -> LogisticRegression:
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(40, 4, generator=generator, dtype=torch.float64)
    y = torch.bernoulli(torch.sigmoid(X[:, 0]), generator=generator)
    return LogisticRegression(X.to(place), y.to(place), l2=0.01, fit_intercept=True)


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


@pytest.mark.parametrize(
    "solver",
    [
        "newton",
        "newton-cholesky",
        "newton-damped",
        "newton-levenberg",
        "newton-modified-cholesky",
        "newton-self-concordant",
    ],
)
@pytest.mark.parametrize("settings", [{"fit_intercept": True}, {"l2": 1e-3}])
def test_a_newton_step_waits_twice_for_the_value_and_for_the_step(solver, settings):
    """The factor, the slope and a length are read together."""
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(60, 5, generator=generator, dtype=torch.float64)
    y = torch.bernoulli(torch.sigmoid(X[:, 0]), generator=generator)
    with SimulatedCuda() as device:
        objective = LogisticRegression(X.to(device.name), y.to(device.name), **settings)
        start = torch.full_like(objective.zeros(), 0.1)
        reads = []
        for iterations in (1, 1, 3):  # the first fills the caches of the objective
            device.reads.clear()
            found = minimize(SOLVERS[solver], objective, start, Stop(gap_tolerance=1e-300, iterations=iterations))
            assert found.iterations == iterations
            reads.append(device.reads.total())
    assert (reads[2] - reads[1]) / 2 <= 2


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
