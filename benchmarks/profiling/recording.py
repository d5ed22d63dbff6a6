"""Recording where the time of a run goes: runs with phases and without, and one more to count operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from statistics import median, median_low
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor

from datasets import Problem, present_device
from datasets.registry import recipe
from solvers import COUNTERS, PHASES, Ledger, Result, device_clock, minimize
from solvers.common.clock import Clock
from solvers.common.instrumentation import phase

from ..runner.environment import LARGEST_ORDER, calibration, calibration_at
from ..runner.measure import why_too_large
from ..runner.suites import Case
from .operations import Tally
from .profile import SYNCHRONISATION, Phase, Profile, Start
from .work import Work, work_of

DATA = "data to device"

Builder = Callable[[torch.dtype, torch.device], Problem]


def profile(case: Case, repeats: int = 5, *, builder: Builder | None = None, clock: Clock | None = None) -> Profile:
    """Run a case `repeats` times without phases and as often with them, in turn, and once more to count operations.

    builder: makes the problem in place of the recipe of its name. clock: in place of one that waits for the device.
    Raises ValueError for an absent device or a problem that does not fit, and what the solver raises.
    """
    torch.set_num_threads(case.threads)
    builder, solver, dtype = builder or recipe(case.problem), case.make_solver(), getattr(torch, case.dtype)
    cold: dict[str, Start] = {}
    seconds, device = timed(lambda: present_device(case.device), clock or perf_counter)  # reads a number from it
    cold["context"] = Start(seconds)
    read = clock or device_clock(device)
    seconds, source = timed(lambda: builder(dtype, torch.device("cpu")), read)
    cold["problem on the CPU"] = Start(seconds)
    problem, copies, parts = source, [0.0], []
    if device.type != "cpu":
        parts = _parts(source)
        copies = [timed(lambda: [part.to(device) for part in parts], read)[0] for _ in range(max(2, repeats))]
        cold["data to device"] = Start(copies[0], median(copies[1:]))
        seconds, problem = timed(lambda: builder(dtype, device), read)
        cold["problem on the device"] = Start(seconds)
    if reason := why_too_large(solver, problem):
        raise ValueError(reason)
    f = problem.objective
    S = torch.eye(min(f.size, LARGEST_ORDER), dtype=dtype, device=device)
    cold["factorisation"] = Start(*(timed(lambda: torch.linalg.cholesky_ex(S), read)[0] for _ in range(2)))
    first = record(case, problem, read)

    runs: list[tuple[Recording, Recording]] = []
    for repeat in range(repeats):
        order = (False, True) if repeat % 2 == 0 else (True, False)
        pair = {phases: record(case, problem, read, phases=phases) for phases in order}
        runs.append((pair[False], pair[True]))
    plain = median(run.seconds for run, _ in runs)
    cold["run"] = Start(first.seconds, plain)
    middle = median_low(run.seconds for _, run in runs)
    chosen = next(run for _, run in runs if run.seconds == middle)
    tally = count_operations(case, problem)

    n, columns = f.X.shape[0], f.X.shape[1:].numel()  # not X[0]: it raised on a CSR tensor
    at_size = calibration_at(case.device, case.dtype, case.threads, rows=n, columns=columns, order=f.size)
    general, copy = calibration(case.device, case.dtype, case.threads), median(copies[1:] or copies)
    try:
        work, formulas = work_of(f), True
    except TypeError:
        work, formulas = {}, False
    size = sum(part.numel() * part.element_size() for part in parts)
    rows = [Phase(DATA, copy, len(parts), bytes=size, bandwidth=1e-9 * size / general["copy_gbs"])]
    rows += phase_table(chosen.ledger, work, general, at_size, tally)
    return Profile(
        case,
        problem.shape,
        str(chosen.result.status),
        chosen.result.iterations,
        tuple(rows),
        total=copy + chosen.seconds,
        uninstrumented=copy + plain,
        calibration=general,
        at_size=at_size,
        cold=cold,
        totals=tuple((copy + run.seconds, copy + instrumented.seconds) for run, instrumented in runs),
        formulas=formulas,
    )


def timed(work: Callable[[], Any], clock: Clock) -> tuple[float, Any]:
    began = clock()
    found = work()
    return clock() - began, found


def _parts(problem: Problem) -> list[Tensor]:
    """The dense tensors that X and y of a problem are made of."""
    whole = [part for name in ("X", "y", "Y") if (part := getattr(problem.objective, name, None)) is not None]
    return [
        part
        for X in whole
        for part in ((X.values(), X.col_indices(), X.crow_indices()) if X.layout == torch.sparse_csr else (X,))
    ]


class Recording(NamedTuple):
    """A run with its ledger of phases, and its seconds by two readings of the clock around it."""

    seconds: float
    result: Result
    ledger: Ledger


def record(case: Case, problem: Problem, clock: Clock, *, phases: bool = False, apart: bool | None = None) -> Recording:
    """One run. apart: whether reads by the host are a phase of their own (default: on any device but the CPU)."""
    apart = case.device != "cpu" if apart is None else apart
    solver, reading = case.make_solver(), reads_apart() if phases and apart else nullcontext()
    with reading:
        ledger = Ledger(clock if phases else None)
        began = clock()
        result = minimize(solver, problem.objective, problem.x0, case.stop, clock=clock, ledger=ledger)
        ledger.charge()  # the time to leave the run, which frees its points
        return Recording(clock() - began, result, ledger)


READS = ("__float__", "__int__", "__bool__", "__index__", "item", "tolist")


Read = Callable[[Tensor], Any]


@contextmanager
def reads_as(decorate: Callable[[Read], Read]) -> Iterator[None]:
    """Every read of a tensor by the host goes through a decorated function, in this context."""
    own = {name: vars(Tensor)[name] for name in READS if name in vars(Tensor)}
    for name in READS:
        read = getattr(Tensor, name)
        setattr(Tensor, name, wraps(read)(decorate(read)))
    try:
        yield
    finally:
        for name in READS:
            setattr(Tensor, name, own[name]) if name in own else delattr(Tensor, name)


def reads_apart() -> AbstractContextManager[None]:
    """Charge reads of a tensor by the host to the phase `host synchronisation`, in this context.

    The clock of an instrumented run waits for the device where a phase begins. So pending work of the device is charged
    to the phase that started it, and what remains of a read is the copy to the host: the cost of the read itself.
    """

    def apart(read: Read) -> Read:
        def run(tensor: Tensor) -> Any:
            with phase(SYNCHRONISATION):
                return read(tensor)

        return run

    return reads_as(apart)


def count_operations(case: Case, problem: Problem) -> Tally:
    """A separate run for counting, which slows every operation down."""
    with Tally() as tally:
        record(case, problem, device_clock("cpu"), phases=True, apart=False)
    return tally


def phase_table(
    ledger: Ledger,
    work: Mapping[str, Work],
    general: Mapping[str, float],
    at_size: Mapping[str, float],
    tally: Tally,
) -> list[Phase]:
    """The phases of a recorded run with their work, and the seconds that this machine needs for that."""
    rates = {"hessians": at_size["syrk_gflops"]}
    rates |= dict.fromkeys(("factorisations", "lu_factorisations", "eigendecompositions"), at_size["potrf_gflops"])
    rows = []
    for name in PHASES:
        flops = moved = 0.0
        bound = {"compute": 0.0, "bandwidth": 0.0}
        for counter in COUNTERS:
            done = work.get(counter, Work(0.0, 0.0)).times(ledger.events[name][counter])
            flops, moved = flops + done.flops, moved + done.bytes
            compute = 1e-9 * done.flops / rates.get(counter, general["gemm_gflops"])
            bandwidth = 1e-9 * done.bytes / at_size["triad_gbs"]
            bound["compute" if compute > bandwidth else "bandwidth"] += max(compute, bandwidth)
        rows.append(
            Phase(
                name,
                ledger.seconds[name],
                ledger.calls[name],
                flops,
                moved,
                **bound,
                operations=tally.operations[name],
                reads=tally.reads[name],
            )
        )
    return rows


# --- a trace for chrome://tracing or Perfetto


class _Marked(Ledger):
    """A ledger whose phases are marks in a trace of the profiler."""

    def phase(self, name: str) -> AbstractContextManager[Any]:
        return torch.profiler.record_function(name)


def trace(case: Case, path: Path, builder: Builder | None = None) -> None:
    """One run under torch's profiler, its phases marked, as a Chrome trace. The profiler slows it down."""
    from torch.profiler import ProfilerActivity

    torch.set_num_threads(case.threads)
    problem = (builder or recipe(case.problem))(getattr(torch, case.dtype), present_device(case.device))
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if case.device.startswith("cuda") else [])]
    with torch.profiler.profile(activities=activities) as profiler:
        marked = _Marked(device_clock(case.device))
        minimize(case.make_solver(), problem.objective, problem.x0, case.stop, ledger=marked)
    profiler.export_chrome_trace(str(path))
