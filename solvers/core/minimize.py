"""The loop that every solver runs in: it tests each iterate, takes a step, and records both."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..common.clock import Clock, device_clock
from ..common.instrumentation import Ledger, current, timed
from ..objectives.base import Point
from .arguments import check_point, check_solver, checked_start, without_autocast
from .checkpoint import Checkpoint, Saved
from .convergence import UNBOUNDED_ITERATES, Convergence, End, Iterate
from .decrement import not_finite
from .diagnosis import missing_curvature, missing_gradient, stalled_message
from .runaway import UnboundedBelow, decreases_to_the_end, has_existence_test
from .solver import DirectionalSolver, Proposal, Solver, Stepped
from .stopping import Status, Stop
from .trace import Trace, next_kept, outside_inference

UNSOLVED = (
    "the solver found no direction at iterate {}: its matrix is singular to rounding; "
    "try newton-cholesky or newton-levenberg, which shift it"
)


@dataclass(frozen=True)
class Result:
    """How a run ended.

    x: the last finite iterate, (d,); value: f(x); iterations: the steps that led to it.
    parameters: x in the shape of what f is a function of, where the objective has `parameters(x)`: views of x; else x.
    status: the rule that fired; message: the same in a sentence.
    gap_bound: half the squared Newton decrement at x, rounding error included; it bounds f - f* to second order if f is
        convex; None if the run ended by another test. bound: how it was computed.
    seconds: the time of the whole run, its last test included; counters: the evaluations in that time.
    """

    x: Tensor
    value: float
    status: Status
    message: str
    iterations: int
    seconds: float
    counters: dict[str, int]
    trace: Trace
    gap_bound: float | None = None
    bound: str = ""
    parameters: Any = None


def minimize(
    solver: Solver,
    objective: Any,
    x0: Tensor | None = None,
    stop: Stop = Stop(),
    *,
    clock: Clock | None = None,
    ledger: Ledger | None = None,
    checkpoint: Checkpoint | None = None,
) -> Result:
    """Minimise an objective from x0 (its `start()` or `zeros()` if None) until one of the rules of `stop` fires.

    solver: a solver, such as SOLVERS["newton-cholesky"], or any object with `init(point)` and `step(point, state)`.
    objective: any object whose `at(x)` makes a Point; `start()`, `zeros()`, `dtype` (of a start, where there is no
        default), `parameters(x)`, `clock()` and `no_minimiser(point, direction)` are optional.
    clock: seconds, called at every iterate (default: that of the objective, or one that waits for the device of x0).
    ledger: counters, and phase times if it has a clock of its own; give one to read it afterwards.
    checkpoint: files in which the run is saved from time to time, and from which it goes on where they are there.

    Autocast is off inside: derivatives rounded to 8 bits are too coarse for a step.
    Raises TypeError or ValueError for wrong arguments, and what a user's own function raises. What happens while
    solving is reported as a Status.
    """
    check_solver(solver)
    if not isinstance(stop, Stop):
        raise TypeError(f"stop must be a Stop, found {type(stop).__name__}: write stop=Stop(iterations=100)")
    x = checked_start(objective, x0)
    ledger = Ledger() if ledger is None else ledger
    record = _Record(clock or getattr(objective, "clock", None) or device_clock(x.device), ledger)
    token = current.set(ledger)
    try:
        # Without autograd's bookkeeping an operation on a small tensor costs a tenth less. A user's own solver may need
        # autograd, and so may an objective without closed forms.
        closed_form = getattr(objective, "closed_form", False)
        known = solver if isinstance(solver, DirectionalSolver) else Stepped(solver)
        with without_autocast(x.device):
            with torch.inference_mode(closed_form and known is solver):
                end = _run(known, objective, stop, x, record, checkpoint)
                if end.status == Status.DIVERGED or not closed_form:
                    end = record.last_finite(end, objective)
            return record.result(end, objective)
    finally:
        ledger.charge()
        current.reset(token)


def _run(
    solver: DirectionalSolver, objective: Any, stop: Stop, x: Tensor, record: _Record, checkpoint: Checkpoint | None
) -> End:
    """The loop: test the iterate, find a direction, test again with what the direction promises, move along it."""
    point = objective.at(x)
    check_point(point, x)
    here = previous = record.visit(point, 0)
    if not math.isfinite(here.value):
        return End(here, Status.DIVERGED, f"f(x0) is {here.value}")
    if reason := solver.why_unsuited(point):
        return End(here, Status.ERROR, reason)
    state = solver.init(point)
    record.note = getattr(state, "note", "")
    follows = x.device.type != "cpu" and solver.needs == "hessian"
    test = record.with_phase(Convergence(stop, objective, here, direction_follows=follows))
    unbounded = None
    if checkpoint and (saved := checkpoint.load(solver, objective)):
        point, state, previous, here, unbounded, *_ = saved
        test.bounds, test.retry_below = saved.test
        record.resume(saved)
    while True:
        if checkpoint and checkpoint.due(here.iteration, here.seconds):
            remembered = test.bounds, test.retry_below
            found = Saved(point, state, previous, here, unbounded, remembered, record.remembered)
            with record.off_the_clock():
                checkpoint.save(solver, objective, found)
        if stop.stop_when_separable and (reason := test.no_minimiser(point)):
            return End(here, Status.SEPARABLE, f"no minimiser exists: {reason}")
        limit = here.iteration >= stop.iterations or here.seconds >= stop.seconds
        if limit and not stop.tests:
            return _limit(here, stop)
        if test.early and test.screen(here) and (end := test.certify(here)):
            return end

        proposal = solver.propose(point, state)
        if (proposal is None or not math.isfinite(proposal.slope)) and (end := _unsolved(previous, here, proposal)):
            return end
        estimate = abs(proposal.slope) / 2
        if stop.gap_tolerance is not None and test.screen(here, estimate, last=limit):
            if end := test.certify(here, estimate):
                return end
        if limit:
            return _limit(here, stop)
        if unbounded is None:
            unbounded = UnboundedBelow(x, here.value, estimate)

        moved, moved_state = solver.move(point, proposal)
        rejected = moved is point and moved_state is state
        previous, point, state = here, moved, moved_state
        here = record.visit(point, previous.iteration + 1)
        if not math.isfinite(here.value):
            return End(previous, Status.DIVERGED, f"f is {here.value} at iterate {here.iteration}")
        if stop.tests:
            if here.value < unbounded.threshold and unbounded.proved(point, here.value):
                return End(here, Status.DIVERGED, f"f falls without bound: {here.value:.3g}")
            if rejected or (here.value == previous.value and _same_place(here, previous)):
                return _stalled(solver, test, previous, proposal, unbounded.initial_value)


def _limit(here: Iterate, stop: Stop) -> End:
    if here.iteration >= stop.iterations:
        return End(here, Status.ITERATION_LIMIT, f"{here.iteration} iterations")
    return End(here, Status.TIME_LIMIT, f"{here.seconds:.3g} seconds")


def _unsolved(previous: Iterate, here: Iterate, proposal: Proposal | None) -> End | None:
    """The end where a solver has no direction, or one whose slope is not finite; None if only the slope overflows."""
    if words := missing_gradient(here.point, here.iteration):
        return End(previous, Status.DIVERGED, words)
    if proposal is not None:
        return None
    words = missing_curvature(here.point, here.iteration)
    return End(here, Status.DIVERGED, words) if words else End(here, Status.SINGULAR, UNSOLVED.format(here.iteration))


def _same_place(here: Iterate, previous: Iterate) -> bool:
    """Whether a new point has the very x of the last one."""
    return here.point is not previous.point and torch.equal(here.point.x, previous.point.x)


def _stalled(
    solver: DirectionalSolver, test: Convergence, here: Iterate, proposal: Proposal, initial_value: float
) -> End:
    """The end where no step changes x any more: at a minimiser it is convergence. initial_value: f(x0)."""
    if end := test.certify_stalled(here):
        return end
    if solver.needs != "gradient" and (words := missing_curvature(here.point, here.iteration)):
        return End(here, Status.DIVERGED, words)
    if (
        here.value < initial_value
        and not has_existence_test(test.objective)
        and decreases_to_the_end(here.point, test.x0)
    ):
        return End(here, Status.DIVERGED, UNBOUNDED_ITERATES)
    bound, estimate = test.bound(here.value), abs(proposal.slope) / 2
    words = stalled_message(here.point, test.x0, bound, proposal.direction, estimate)
    return End(here, Status.STALLED, words)


class _Record:
    """What a run leaves: its trace, its counters, its time."""

    def __init__(self, clock: Clock, ledger: Ledger) -> None:
        self.clock, self.ledger = clock, ledger
        self.trace, self.next_kept = Trace(), 0
        self.note = ""  # what the solver reports of itself
        self.began = clock()

    def visit(self, point: Point, iteration: int) -> Iterate:
        """Reach a point: read its value and the clock; keep it in the trace where the value is finite."""
        value = point.float_value
        here = Iterate(point, value, iteration, self.clock() - self.began, self.ledger.snapshot())
        if iteration == self.next_kept and math.isfinite(value):
            self.trace.keep(iteration, here.seconds, point.x, here.counts)
            self.next_kept = next_kept(iteration)
        return here

    @property
    def remembered(self) -> tuple[Any, ...]:
        """What a checkpoint holds of it."""
        return self.trace, self.next_kept, self.note, dict(self.ledger.counts)

    def resume(self, saved: Saved) -> None:
        """Go on with the time, the trace and the counters of a checkpoint."""
        self.trace, self.next_kept, self.note, counts = saved.record
        for name, number in counts.items():
            self.ledger.counts[name] = number
        self.began = self.clock() - saved.here.seconds

    @contextmanager
    def off_the_clock(self) -> Iterator[None]:
        """Time that is none of the run's."""
        before = self.clock()
        yield
        self.began += self.clock() - before

    def with_phase(self, test: Convergence) -> Convergence:
        """The test, timed as a phase if there is a clock for phases; runs without one pay nothing for it."""
        if self.ledger.clock:
            phase = timed("stopping test")
            test.no_minimiser, test.screen, test.certify = map(phase, (test.no_minimiser, test.screen, test.certify))
        return test

    def last_finite(self, end: End, objective: Any) -> End:
        """The same end, or the last finite iterate of the trace where the run went on to an infinite x.

        There f may well be finite, as exp(-x) is. Testing every x on the way would read the device each time. A closed
        form multiplies by x, so that its next value or gradient is not finite.
        """
        here, trace = end.iterate, self.trace
        if not (found := not_finite(here.point.x)):
            return end
        words = f"x has {found} at iterate {here.iteration}, where f is {here.value:.3g}"
        kept = zip(trace.iterations, trace.seconds, trace.iterates, trace.counts, strict=True)
        iteration, seconds, x, counts = [entry for entry in kept if not not_finite(entry[2])][-1]  # x0 is one
        point = objective.at(x)
        return End(Iterate(point, point.float_value, iteration, seconds, counts), Status.DIVERGED, words)

    def result(self, end: End, objective: Any) -> Result:
        here, decrement = end.iterate, end.decrement
        seconds = self.clock() - self.began
        with self.ledger.phase("value"):
            value = here.point.refreshed().float_value  # from x alone, without the margins carried along
        self.trace.end_at(here.iteration, here.seconds, here.point.x, here.counts)
        x = outside_inference(here.point.x)
        return Result(
            x=x,
            value=value + 0.0,  # -0.0 becomes 0.0
            status=end.status,
            message=f"{end.message} ({self.note})" if self.note else end.message,
            iterations=here.iteration,
            seconds=seconds,
            counters=dict(self.ledger.counts),
            trace=self.trace,
            gap_bound=decrement.half if decrement else None,
            bound=decrement.bound if decrement else "",
            parameters=objective.parameters(x) if hasattr(objective, "parameters") else x,
        )
