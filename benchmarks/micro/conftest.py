"""Shared by the micro-benchmarks: one thread, the penalised problem, comparisons in turn, and the machine info."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import pytest
import torch

from datasets import Problem, build

from ..grid import synchronised
from ..runner.statistics import Interval, median_interval


def pytest_benchmark_update_machine_info(config, machine_info) -> None:
    """Add torch, its BLAS and its threads to every saved result, and remove the name of the host."""
    machine_info.pop("node", None)
    machine_info["torch"] = {
        "version": torch.__version__,
        "threads": 1,  # set by the fixture below, for every benchmark of this folder
        "blas": "MKL" if torch.backends.mkl.is_available() else "other",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def pytest_collection_modifyitems(items) -> None:
    """Every benchmark of this folder is timed by a clock that waits for the GPU where one is in use."""
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.benchmark(timer=synchronised))


@pytest.fixture(params=["cpu", "cuda"])
def device(request) -> str:
    """Each device in turn; a test for an absent one is skipped."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    return request.param


@pytest.fixture(autouse=True)
def one_thread():
    """One thread for torch, for the BLAS of NumPy and for the OpenMP of scikit-learn."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    before = torch.get_num_threads()
    with threadpoolctl.threadpool_limits(1):
        torch.set_num_threads(1)
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def problem() -> Problem:
    """Breast cancer, 398 x 30, with penalty 1 on the sum scale."""
    return build("breast-cancer-l2")


class Pairs(NamedTuple):
    """Seconds of two functions, timed in turn, so that other work on the machine affects both."""

    first: list[float]
    second: list[float]

    @property
    def difference(self) -> Interval:
        """first - second, within each pair."""
        return median_interval([a - b for a, b in zip(self.first, self.second, strict=True)])

    @property
    def ratio(self) -> Interval:
        """first / second, within each pair."""
        return median_interval([a / b for a, b in zip(self.first, self.second, strict=True)])


@pytest.fixture
def alternate(benchmark) -> Callable[..., Pairs]:
    """Run two functions in turn as one benchmark, whose rounds are pairs: each goes first in every other pair."""

    def run(first: Callable[[], object], second: Callable[[], object], *, rounds: int) -> Pairs:
        times: dict[Callable, list[float]] = {first: [], second: []}
        order = [first, second]

        def pair() -> None:
            for function in order:
                began = perf_counter()
                function()
                times[function].append(perf_counter() - began)
            order.reverse()

        warm_up = 20
        benchmark.pedantic(pair, rounds=rounds, warmup_rounds=warm_up)
        return Pairs(times[first][warm_up:], times[second][warm_up:])

    return run
