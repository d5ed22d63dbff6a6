"""How long the host waits for the device in a run, and how often the device was idle by then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from solvers import minimize

from ..profiling.recording import Read, reads_as
from ..runner.measure import problem_of
from ..runner.suites import Case


@dataclass
class Waits:
    """Reads of a tensor by the host in one run without any other waiting: their number and their seconds.

    idle: at how many of them the device had already done all that was queued: there the host, which launches kernels,
    limits the run. total: seconds of the run.
    """

    reads: int = 0
    seconds: float = 0.0
    idle: int = 0
    total: float = 0.0


def is_idle(device: torch.device) -> bool:
    """Whether a CUDA device has done all that is queued on it."""
    return torch.cuda.current_stream(device).query()


def host_waits(case: Case, idle: Callable[[torch.device], bool] = is_idle) -> dict[str, Any]:
    """The waits in a second run of a case; the first one warms up."""
    problem, solver, found = problem_of(case), case.make_solver(), Waits()
    minimize(solver, problem.objective, problem.x0, case.stop)

    def noted(read: Read) -> Read:
        def run(tensor: Tensor) -> Any:
            if tensor.device.type == "cpu":
                return read(tensor)
            found.idle += idle(tensor.device)
            began = perf_counter()
            try:
                return read(tensor)
            finally:
                found.reads += 1
                found.seconds += perf_counter() - began

        return run

    with reads_as(noted):
        began = perf_counter()
        minimize(solver, problem.objective, problem.x0, case.stop, clock=perf_counter)
        found.total = perf_counter() - began
    return asdict(found)
