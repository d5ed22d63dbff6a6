"""Runs of peers: a method of another library, sampled by solving anew with more and more iterations.

Most peers cannot be stepped, and a callback would stand on the clock. So each kept point is a solve of its own: from
the start of the problem, with at most 1, 2, ..., 10 iterations, then 8 budgets a decade, all with the same tolerance.
Its time is that of this whole solve, with what the library does before and after its iterations; its iteration is the
number that the library counts. The data was brought into the form the library likes before the clock starts, and
problem and accuracy are judged afterwards, as those of ours. The run ends with the first solve that claims success,
that stops by itself (the next, with more iterations allowed, takes no more of them), or that takes longer than the
budget; this last one is not kept, and its solves together take some times as long as the last.
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

EVERY = 10  # budgets of 1 to 10 iterations are all tried
PER_DECADE = 8  # and after them this many for each factor of ten: together 4 times the last solve
WARM_UP = 3  # iterations of the solve before the first
DISTRIBUTIONS = {"torch.optim": "torch"}  # where a library is not named as its package is
UNCOUNTED = (math.nan,) * len(COUNTERS)  # nobody knows what a peer evaluates that does not ask our points


def installed(peer: str) -> str:
    """The version of a peer's package; empty where it is not there."""
    with suppress(PackageNotFoundError):
        return version(DISTRIBUTIONS.get(library(peer), library(peer)))
    return ""


def budgets(most: int) -> Iterator[int]:
    """Numbers of iterations to allow, up to the most."""
    step, count = 0, 0
    while count < most:
        count = count + 1 if count < EVERY else round(EVERY * 10 ** (step / PER_DECADE))
        step += count >= EVERY
        yield min(count, most)


def refusal(name: str, problem: Problem, stop: Stop) -> str:
    """Why a peer cannot be measured on a problem, in its dtype and on its device; empty where it can."""
    peer, dtype = PEERS[name], str(problem.x0.dtype).removeprefix("torch.")
    if stop.gap_tolerance is None:
        return "it is told a tolerance, and these rules have none for the gap"
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
    """The solves of one run as the trace of one; the status is what the library claims, and the message says so.

    watch: entered for each solve.

    `converged` is a claim, and nothing else: it is judged afterwards, by the certified gap. Raises MissingPeerError,
    ValueError where `refusal` has a reason, and whatever the library raises.
    """
    from threadpoolctl import threadpool_limits

    if reason := refusal(name, problem, stop):
        raise ValueError(reason)
    fit = _allowed(peer, problem, min(WARM_UP, stop.iterations))  # imported: now its threads can be limited
    threads = torch.get_num_threads()
    with threadpool_limits(threads):
        torch.set_num_threads(threads)
        fit(stop.gap_tolerance)  # without a deadline: an import that it cut short would leave a broken module
        clock = clock or device_clock("cpu")
        return _Run(library(name), peer, problem, stop, clock, watch or nullcontext()).to_the_end()


def _allowed(peer: Peer, problem: Problem, iterations: int) -> Fit:
    return replace(peer, iterations=iterations).prepare(problem.objective, problem.x0)


class _Run:
    """One run: its solves so far."""

    def __init__(
        self, library: str, peer: Peer, problem: Problem, stop: Stop, clock: Clock, watch: AbstractContextManager
    ) -> None:
        self.library, self.peer, self.problem, self.stop = library, peer, problem, stop
        self.clock, self.watch = clock, watch
        self.trace = Trace()
        none = (0,) * len(COUNTERS) if peer.general else UNCOUNTED
        self.trace.keep(0, 0.0, problem.x0, none)

    def to_the_end(self) -> Result:
        before: Claim | None = None
        for budget in budgets(self.stop.iterations):
            seconds, claim, counts = self.solve(budget)
            if claim is None:
                return self.result(Status.TIME_LIMIT, f"{budget} iterations took {seconds:.3g} seconds", seconds)
            if not bool(claim.w.isfinite().all()):
                return self.result(Status.DIVERGED, f"{self.says(claim)}: a weight is not finite", seconds)
            taken = budget if claim.iterations is None else claim.iterations
            if taken > 0:
                self.trace.end_at(taken, seconds, claim.w, counts)
            if claim.success:
                return self.result(Status.CONVERGED, f"{self.library} claims: {claim.message or 'success'}", seconds)
            if before and taken < budget and torch.equal(before.w, claim.w):
                return self.result(Status.STALLED, self.says(claim), seconds)
            before = claim
        words = f"{self.stop.iterations} iterations"
        return self.result(Status.ITERATION_LIMIT, f"{words}; {self.says(before)}" if before else words, 0.0)

    def solve(self, iterations: int) -> tuple[float, Claim | None, tuple[float, ...]]:
        """Seconds of a solve, its claim (None where the budget of seconds was over first), and what it evaluated."""
        fit = _allowed(self.peer, self.problem, iterations)
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
        return seconds, claim if in_time else None, ledger.snapshot() if self.peer.general else UNCOUNTED

    def says(self, claim: Claim) -> str:
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
