"""Runs of peers: a method of another library, sampled by repeated solves with more and more iterations.

Most peers cannot be stepped, and the time of a callback would count. So each recorded point is a solve of its own: from
the start of the problem, with at most 1, 2, ..., 10 iterations, then 8 limits a decade, all with the same tolerance.
Its time is that of the whole solve, including what the library does before and after its iterations; its iteration is
the number that the library counts. The data is converted to the library's preferred form before the clock starts, and
accuracy is evaluated afterwards, as for our solvers. The run ends with the first solve that reports success, that stops
by itself (the next, with more iterations allowed, takes no more of them), or that takes longer than the time limit; the
last is not recorded. All solves together take a few times as long as the last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import Tensor

from datasets import Problem
from solvers import COUNTERS, Ledger, Result, Status, Stop
from solvers.adapters import PEERS, Claim, Fit, MissingPeerError, Peer
from solvers.common.clock import Clock, device_clock
from solvers.common.instrumentation import current
from solvers.common.names import library
from solvers.core.trace import Trace

from .deadline import OutOfTimeError, deadline

EVERY = 10  # limits of 1 to 10 iterations are all tried
PER_DECADE = 8  # and after them this many for each factor of ten: together 4 times the last solve
WARM_UP = 3  # iterations of the solve before the first
DISTRIBUTIONS = {
    "torch.optim": "torch",
    "torch-autograd": "torch",
    "scipy-numpy": "scipy",
    "spark-ml": "pyspark",
}  # where a library is not named as its package is
UNCOUNTED = (math.nan,) * len(COUNTERS)  # of a peer that does not evaluate our objective


def installed(peer: str) -> str:
    """The version of a peer's package; empty where it is not installed."""
    with suppress(PackageNotFoundError):
        return version(DISTRIBUTIONS.get(library(peer), library(peer)))
    return ""


def iteration_limits(most: int) -> Iterator[int]:
    """The limits of iterations of the solves of one run."""
    step, count = 0, 0
    while count < most:
        count = count + 1 if count < EVERY else round(EVERY * 10 ** (step / PER_DECADE))
        step += count >= EVERY
        yield min(count, most)


def refusal(name: str, problem: Problem, stop: Stop) -> str:
    """Why a peer cannot be measured on a problem, in its dtype and on its device; empty where it can."""
    peer, dtype = PEERS[name], str(problem.x0.dtype).removeprefix("torch.")
    if stop.gap_tolerance is None:
        return "it needs a tolerance, and these rules have none for the gap"
    if dtype not in peer.dtypes:
        return f"it works in {' or '.join(peer.dtypes)} alone"
    if problem.x0.device.type != "cpu":
        return "it is measured on the CPU alone"
    try:
        peer.prepare(problem.objective, problem.x0)
    except (MissingPeerError, ValueError) as error:
        return str(error)
    return ""


def run_peer(
    name: str,
    peer: Peer,
    problem: Problem,
    stop: Stop,
    clock: Clock | None = None,
    *,
    watch: AbstractContextManager | None = None,
) -> Result:
    """The trace of one run; the status is what the library reports, and the message says so.

    `converged` is no more than that report: the certified gap, evaluated afterwards, shows whether it is true. watch:
    entered for each solve. Raises MissingPeerError, ValueError where `refusal` has a reason, and whatever the library
    raises.
    """
    from threadpoolctl import threadpool_limits

    if reason := refusal(name, problem, stop):
        raise ValueError(reason)
    fit = _limited(peer, problem, min(WARM_UP, stop.iterations))  # imports the library: now its threads can be limited
    threads = torch.get_num_threads()
    with threadpool_limits(threads):
        torch.set_num_threads(threads)
        fit(stop.gap_tolerance)  # without a deadline, which could interrupt an import and leave a broken module
        clock = clock or device_clock("cpu")
        return _Run(library(name), peer, problem, stop, clock, watch or nullcontext()).complete()


def _limited(peer: Peer, problem: Problem, iterations: int) -> Fit:
    return replace(peer, iterations=iterations).prepare(problem.objective, problem.x0)


class _Run:
    """One run: its solves so far."""

    def __init__(
        self, library: str, peer: Peer, problem: Problem, stop: Stop, clock: Clock, watch: AbstractContextManager
    ) -> None:
        self.library, self.peer, self.problem, self.stop = library, peer, problem, stop
        self.clock, self.watch = clock, watch
        self.trace = Trace()
        self.trace.keep(0, 0.0, problem.x0, (0,) * len(COUNTERS) if peer.takes_any_objective else UNCOUNTED)

    def complete(self) -> Result:
        before: Claim | None = None
        for limit in iteration_limits(self.stop.iterations):
            seconds, claim, counts = self.solve(limit)
            if claim is None:
                return self.result(Status.TIME_LIMIT, f"{limit} iterations took {seconds:.3g} seconds", seconds)
            if not bool(claim.w.isfinite().all()):
                return self.result(Status.DIVERGED, f"{self.no_success(claim)}: a weight is not finite", seconds)
            taken = limit if claim.iterations is None else claim.iterations
            if taken > 0:
                self.trace.end_at(taken, seconds, claim.w, counts)
            if claim.success:
                return self.result(Status.CONVERGED, f"{self.library} claims: {claim.message or 'success'}", seconds)
            if before and taken < limit and torch.equal(before.w, claim.w):
                return self.result(Status.STALLED, self.no_success(claim), seconds)
            before = claim
        message = f"{self.stop.iterations} iterations"
        return self.result(Status.ITERATION_LIMIT, f"{message}; {self.no_success(before)}" if before else message, 0.0)

    def solve(self, iterations: int) -> tuple[float, Claim | None, tuple[float, ...]]:
        """Seconds of a solve, its answer (None beyond the time limit), and its counters."""
        fit = _limited(self.peer, self.problem, iterations)
        claim, ledger = None, Ledger()
        token = current.set(ledger)
        try:
            with self.watch:
                began = self.clock()
                with suppress(OutOfTimeError), deadline(self.stop.seconds):
                    claim = fit(self.stop.gap_tolerance)
                seconds = self.clock() - began
        finally:
            current.reset(token)
        in_time = claim is not None and seconds <= self.stop.seconds
        return seconds, claim if in_time else None, ledger.snapshot() if self.peer.takes_any_objective else UNCOUNTED

    def no_success(self, claim: Claim) -> str:
        return f"{self.library} does not claim success" + f": {claim.message}" * bool(claim.message)

    def result(self, status: Status, message: str, seconds: float) -> Result:
        x: Tensor = self.trace.iterates[-1]
        dtype = self.problem.x0.dtype
        return Result(
            x=x,
            value=float(self.problem.objective.at(x.to(dtype)).value),
            status=status,
            message=message,
            iterations=self.trace.iterations[-1],
            seconds=max(seconds, self.trace.seconds[-1]),
            counters=dict(zip(COUNTERS, self.trace.counts[-1], strict=True)),
            trace=self.trace,
        )
