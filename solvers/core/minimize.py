"""The one loop: it steps a solver, tests each iterate, and keeps the record."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..common.clock import Clock, device_clock
from ..common.instrumentation import Ledger, booked, current
from ..objectives.base import Point
from .arguments import check_point, check_solver, start, without_autocast
from .decrement import Decrement, exact_decrement, not_finite, strongly_convex_decrement
from .diagnosis import missing_curvature, missing_gradient, standstill
from .existence import existence
from .runaway import asked, falls_without_bound, far_from_any, still_falls
from .slope_check import false_minimum
from .solver import DirectionalSolver, Solver, Stepped
from .stopping import Status, Stop
from .trace import Trace, next_kept, outside_inference

UNSOLVED = "the Newton system cannot be solved"
RUNAWAY = "f still falls as x runs away: it may have no minimiser"


@dataclass(frozen=True)
class Result:
    """How a run ended.

    x: the last finite iterate, (d,); value: f(x); iterations: the steps that led to it.
    status: the rule that fired; message: the same in a sentence.
    gap_bound: the exact half squared Newton decrement at x where the run ended by that test, else None;
    bound: how it was found. seconds: the whole run, its last test included; counters: what it evaluated, likewise.
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


def minimize(
    solver: Solver,
    objective: Any,
    x0: Tensor | None = None,
    stop: Stop = Stop(),
    *,
    clock: Clock | None = None,
    ledger: Ledger | None = None,
) -> Result:
    """Minimise an objective from x0 (its `zeros()` if None) until one of the rules of `stop` fires.

    solver: a solver, such as SOLVERS["newton-cholesky"], or any object with `init(point)` and `step(point, state)`.
    objective: any object whose `at(x)` makes a Point; `zeros()`, `dtype` (of a start, where there are no zeros) and
        `no_minimiser(point, direction)` are used where they are there.
    clock: seconds, called at every iterate (default: one that waits for the device of x0).
    ledger: counters, and phase times if it has a clock of its own; give one to read it afterwards.

    Autocast is off inside: derivatives rounded to 8 bits lead nowhere.
    Raises TypeError or ValueError for wrong arguments, and what a user's own function raises; all that happens while
    solving is a Status.
    """
    check_solver(solver)
    if not isinstance(stop, Stop):
        raise TypeError(f"stop must be a Stop, found {type(stop).__name__}: write stop=Stop(iterations=100)")
    x = start(objective, x0)
    ledger = Ledger() if ledger is None else ledger
    run = _Run(solver, objective, stop, clock or device_clock(x.device), ledger)
    token = current.set(ledger)
    try:
        # Without autograd's bookkeeping an operation on a small tensor costs a tenth less. Only for objectives that
        # promise not to need it, and for solvers of the package: a user's own may.
        closed = getattr(objective, "closed_form", False) and isinstance(solver, DirectionalSolver)
        with without_autocast(x.device):
            with torch.inference_mode(closed):
                end = run.finite(run.to_the_end(x))
            return run.result(end)
    finally:
        ledger.charge()
        current.reset(token)


class _Visit(NamedTuple):
    """An iterate whose value is finite, and when and at what cost it was reached."""

    point: Point
    value: float
    iteration: int
    seconds: float
    counts: tuple[int, ...]


class _End(NamedTuple):
    """Where a run ended, and why."""

    here: _Visit
    status: Status
    message: str
    decrement: Decrement | None = None


class _Run:
    """One run: the loop, and what the tests of one iterate leave for those of the next."""

    def __init__(self, solver: Solver, objective: Any, stop: Stop, clock: Clock, ledger: Ledger) -> None:
        self.solver = solver if isinstance(solver, DirectionalSolver) else Stepped(solver)
        self.objective, self.stop, self.clock, self.ledger = objective, stop, clock, ledger
        self.no_minimiser = getattr(objective, "no_minimiser", lambda point, newton_direction=None: None)
        self.escaping = getattr(objective, "escaping", lambda point, newton_direction: False)
        self.strongly_convex = stop.gap_tolerance is not None and getattr(objective, "strong_convexity", 0.0) > 0
        self.falling = (math.inf, math.inf)  # the bound on the decrement at the last two iterates
        self.note = ""  # what the solver says of itself
        self.trace = Trace()
        self.began = clock()
        self.next_kept = 0
        self.look_below = math.inf  # the solver's own decrement under which the exact one is worth its price
        if ledger.clock:  # wrapped here and not where they are defined, so that runs without phases pay nothing
            timed = booked("stopping test")
            self.no_minimiser, self.promising = timed(self.no_minimiser), timed(self.promising)
            self.converged, self.proved = timed(self.converged), timed(self.proved)

    def visit(self, point: Point, iteration: int) -> _Visit | None:
        """Reach a point: read its value and the clock; None if the value is not finite."""
        value = point.__dict__["_value_read"] = float(point.value)
        if not math.isfinite(value):
            return None
        here = _Visit(point, value, iteration, self.clock() - self.began, self.ledger.snapshot())
        if iteration == self.next_kept:
            self.trace.keep(here.iteration, here.seconds, point.x, here.counts)
            self.next_kept = next_kept(iteration)
        return here

    def to_the_end(self, x: Tensor) -> _End:
        solver, stop, tests = self.solver, self.stop, self.stop.tests
        point = self.objective.at(x)
        check_point(point, x)
        here = self.visit(point, 0)
        if here is None:
            start = _Visit(point, float(point.value), 0, self.clock() - self.began, self.ledger.snapshot())
            return _End(start, Status.DIVERGED, f"f(x0) is {start.value}")
        if reason := solver.unsuited(point):
            return _End(here, Status.ERROR, reason)
        state = solver.init(point)
        self.note = getattr(state, "note", "")
        eps = torch.finfo(x.dtype).eps
        relative, floor = max(stop.gap_tolerance or 0.0, 4 * eps), eps**2 * abs(here.value)
        self.x0, first = x, here.value
        abyss = -math.inf

        before = here
        while True:
            if stop.stop_when_separable and (reason := self.no_minimiser(point)):
                return _End(here, Status.SEPARABLE, f"no minimiser exists: {reason}")
            over = here.iteration >= stop.iterations or here.seconds >= stop.seconds
            if over and not tests:
                return self.limit(here)

            bound = relative * abs(here.value) + floor
            if end := self.arrived(here, bound):
                return end
            proposal = solver.propose(point, state)
            if proposal is None or not math.isfinite(proposal.slope):
                if words := missing_gradient(point, here.iteration):
                    return _End(before, Status.DIVERGED, words)
                if proposal is None:
                    words = missing_curvature(point, here.iteration)
                    return _End(here, Status.DIVERGED if words else Status.SINGULAR, words or UNSOLVED)
            own = abs(proposal.slope) / 2
            if here.iteration == 0:  # further down than any minimum whose digits could be told apart
                abyss = -(abs(first) or 2 * own) / eps**2
            if stop.gap_tolerance is not None and self.promising(point, own, bound):
                if (over or not self.proof_is_near(point, bound)) and (end := self.converged(here, own, bound)):
                    return end
            if over:
                return self.limit(here)

            before, (moved, moved_state) = here, solver.move(point, proposal)
            stays = moved is point and moved_state is state
            point, state = moved, moved_state
            here = self.visit(point, before.iteration + 1)
            if here is None:
                return _End(before, Status.DIVERGED, f"f is {float(point.value)} at iterate {before.iteration + 1}")
            if not tests:
                continue
            if here.value < abyss:
                if falls_without_bound(point, x, first):
                    return _End(here, Status.DIVERGED, f"f falls without bound: {here.value:.3g}")
                abyss = here.value / eps
            new = point is not before.point
            if stays or (here.value == before.value and new and torch.equal(point.x, before.point.x)):
                if end := self.without_progress(before, bound, first):
                    return end
                return _End(before, Status.STALLED, standstill(before.point, x, bound, proposal.direction, own))

    def finite(self, end: _End) -> _End:
        """The same end, or the last finite iterate of the trace where the run went on to an infinite x.

        There f may well be finite, as exp(-x) is. To look at every x on the way would cost a reading of the device
        each. A closed form multiplies by x, so that the next value or gradient is not a number.
        """
        if getattr(self.objective, "closed_form", False) and end.status != Status.DIVERGED:
            return end
        if not (found := not_finite(end.here.point.x)):
            return end
        words = f"x has {found} at iterate {end.here.iteration}, where f is {end.here.value:.3g}"
        trace = self.trace
        kept = zip(trace.iterations, trace.seconds, trace.iterates, trace.counts, strict=True)
        iteration, seconds, x, counts = [visit for visit in kept if not not_finite(visit[2])][-1]  # x0 is one
        point = self.objective.at(x)
        return _End(_Visit(point, float(point.value), iteration, seconds, counts), Status.DIVERGED, words)

    def limit(self, here: _Visit) -> _End:
        if here.iteration >= self.stop.iterations:
            return _End(here, Status.ITERATION_LIMIT, f"{here.iteration} iterations")
        return _End(here, Status.TIME_LIMIT, f"{here.seconds:.3g} seconds")

    def promising(self, point: Point, own: float, bound: float) -> bool:
        """The cheap first tests: the gradient, and the solver's own estimate of the decrement."""
        if self.stop.gradient_tolerance is not None and not self.flat_enough(point):
            return False
        return self.stop.gap_tolerance is None or (own <= bound and own < self.look_below)

    def arrived(self, here: _Visit, bound: float) -> _End | None:
        """The tests that need no direction: a proof by strong convexity, or the gradient if nothing else is asked."""
        if self.strongly_convex:
            return self.proved(here, bound)
        if self.stop.gap_tolerance is None and self.stop.tests and self.promising(here.point, 0.0, bound):
            return self.converged(here, 0.0, bound)
        return None

    def flat_enough(self, point: Point, doubt: float = 0.0) -> bool:
        """The test of the gradient, each of whose entries may be off by `doubt`."""
        return float(torch.linalg.vector_norm(point.gradient, math.inf)) + doubt <= self.stop.gradient_tolerance

    def flat_indeed(self, point: Point) -> bool:
        """The same if it is on, whatever rounding the point carries: where that may decide, at the point made anew."""
        if self.stop.gradient_tolerance is None:
            return True
        return self.flat_enough(point, point.gradient_drift()) or self.flat_enough(point.afresh())

    def proved(self, here: _Visit, bound: float) -> _End | None:
        """The exact test where a bound on the decrement, which needs no Hessian, already passes it."""
        self.falling = self.falling[1], strongly_convex_decrement(here.point)
        if not (self.falling[1] <= bound and self.promising(here.point, 0.0, bound)):
            return None
        point = here.point.refreshed()
        half = strongly_convex_decrement(point, point.gradient_noise()) + point.rounding_gap()
        if not (half <= bound and self.flat_indeed(point)):
            return None
        here = here._replace(point=point, value=float(point.value))
        return self.passed(here, Decrement(half, None, "norm of the gradient and strong convexity"))

    def proof_is_near(self, point: Point, bound: float) -> bool:
        """Whether, at the rate of the last step, that will pass before a Hessian for the test is worth its price."""
        before, now = self.falling
        if "hessian" in point.__dict__ or not (0 < now < before < math.inf and bound > 0):
            return False
        left, gained = math.log(now) - math.log(bound), math.log(before) - math.log(now)  # quotients may be 0
        return left <= getattr(self.objective, "hessian_price", 0.0) * gained

    def passed(self, here: _Visit, decrement: Decrement | None) -> _End:
        """Every test that is on was passed."""
        words, d = [], len(here.point.x)
        if decrement is not None:
            words.append(f"f exceeds the minimum of its quadratic model by {decrement.half:.2g}")
            if decrement.flat:
                words[0] += f", flat along {decrement.flat} of {d} directions"
            if decrement.flat == d:
                words[0] += " (gradient and Hessian are zero there, and nothing else is known of it)"
            elif not getattr(self.objective, "convex", False):
                words[0] += ", which proves no minimum where f is not convex"
        if self.stop.gradient_tolerance is not None:
            words.append(f"no gradient entry exceeds {self.stop.gradient_tolerance:.2g}")
        return _End(here, Status.CONVERGED, " and ".join(words), decrement)

    def converged(self, here: _Visit, own: float, bound: float) -> _End | None:
        """The exact test, and then the last question: is there a minimiser at all?"""
        point, decrement = here.point.refreshed(), None
        here = here._replace(point=point, value=float(point.value))
        if not self.flat_indeed(point):
            return None
        if self.stop.gap_tolerance is not None:
            decrement = exact_decrement(point)
            if decrement.direction is None or not decrement.half <= bound:  # the bound itself may be infinite
                self.look_below = own / 10
                return None
        reason, escaping = existence(point, self.no_minimiser, self.escaping)
        if reason and self.stop.stop_when_separable:
            return _End(here, Status.SEPARABLE, f"no minimiser exists: {reason}", decrement)
        far = decrement is not None and point.beyond_model(decrement.direction)
        if reason or far or escaping:
            self.look_below = own / 10
            return None
        if decrement is not None and self.runs_away(point, decrement.direction):
            return _End(here, Status.DIVERGED, RUNAWAY)
        if words := false_minimum(point, self.x0, bound):
            return _End(here, Status.STALLED, words)
        return self.passed(here, decrement)

    def runs_away(self, point: Point, newton_step: Tensor | None) -> bool:
        """Whether f, of which the objective does not know that it has a minimiser, has none on this run's way."""
        return asked(self.objective) and far_from_any(point, self.x0, newton_step) and still_falls(point, self.x0)

    def without_progress(self, here: _Visit, bound: float, first: float) -> _End | None:
        """No step is left that changes anything: at a minimiser that is convergence, whatever the solver's own test."""
        self.look_below = math.inf
        if self.promising(here.point, 0.0, bound) and (end := self.converged(here, 0.0, bound)):
            return end
        if self.solver.needs != "gradient" and (words := missing_curvature(here.point, here.iteration)):
            return _End(here, Status.DIVERGED, words)
        if here.value < first and asked(self.objective) and still_falls(here.point, self.x0):
            return _End(here, Status.DIVERGED, RUNAWAY)
        return None

    def result(self, end: _End) -> Result:
        here, decrement = end.here, end.decrement
        seconds = self.clock() - self.began
        with self.ledger.phase("value"):
            value = float(here.point.refreshed().value)  # of this very x, whatever was carried on the way
        self.trace.end_at(here.iteration, here.seconds, here.point.x, here.counts)
        return Result(
            x=outside_inference(here.point.x),
            value=value + 0.0,  # -0.0 becomes 0.0
            status=end.status,
            message=f"{end.message} ({self.note})" if self.note else end.message,
            iterations=here.iteration,
            seconds=seconds,
            counters=dict(self.ledger.counts),
            trace=self.trace,
            gap_bound=decrement.half if decrement else None,
            bound=decrement.bound if decrement else "",
        )
