"""Counters of evaluations and, with a clock, the time of each phase."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

COUNTERS = (
    "values",
    "gradients",
    "hessians",
    "sample_hessians",  # of the loss on a sample or a sketch of the rows; nothing else there is counted
    "hessian_diagonals",
    "jacobians",  # of the residuals of a sum of squares: one makes its Gauss-Newton matrix
    "kronecker_factors",  # of the Gauss-Newton blocks of all layers
    "kronecker_factorisations",  # of all of them, damped: each is of the order of a layer's inputs or outputs
    "hessian_vector_products",
    "gauss_newton_products",  # where they are not the same
    "third_derivatives",  # of a linear model, along a direction: one product with X^T
    "margins",  # products X v of a linear model: at a fresh point, and one for a ray
    "factorisations",
    "lu_factorisations",  # those of them that are LU, not Cholesky
    "eigendecompositions",
    "solves",
    "shifted",  # Newton systems solved with a shift that the undamped method does not have
    "line_search_trials",
    "stopping_tests",  # exact Newton decrements computed to decide `converged`
)
PHASES = (
    "value",  # f, except in a line search or a test of convergence, whose phases include it
    "gradient",
    "hessian",
    "sample",  # everything done with a sample or a sketch of the rows
    "factorise",
    "solve",
    "line search",
    "stopping test",
    "host synchronisation",  # numbers read off the device, where the recorder times them separately
    "other",
)

_OFF = nullcontext()


class _ByPhase(dict[str, int]):
    """Counters, and the same phase by phase."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(dict.fromkeys(COUNTERS, 0))
        self.ledger = ledger

    def __setitem__(self, counter: str, count: int) -> None:
        self.ledger.events[self.ledger.open][counter] += count - self[counter]
        super().__setitem__(counter, count)


class Ledger:
    """Counters of evaluations; with a clock, also the time of each phase.

    Phases nest; time counts for the innermost one. So the sum of `seconds` is the whole time between the first and the
    last reading of the clock. `events` are the counters of each phase, by the same rule.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._open: list[str] = ["other"]
        self.events = {name: dict.fromkeys(COUNTERS, 0) for name in PHASES} if clock else {}
        self.counts: dict[str, int] = _ByPhase(self) if clock else dict.fromkeys(COUNTERS, 0)
        self.clock = clock
        self.seconds: dict[str, float] = dict.fromkeys(PHASES, 0.0)
        self.calls: dict[str, int] = dict.fromkeys(PHASES, 0)
        self._mark = clock() if clock else 0.0

    @property
    def open(self) -> str:
        """The innermost open phase."""
        return self._open[-1]

    def snapshot(self) -> tuple[int, ...]:
        """The counters now, in the order of COUNTERS."""
        return tuple(self.counts.values())

    def charge(self) -> None:
        """Add the time since the last reading to the innermost open phase."""
        if self.clock:
            now = self.clock()
            self.seconds[self._open[-1]] += now - self._mark
            self._mark = now

    def phase(self, name: str) -> AbstractContextManager[None]:
        """A context whose time goes to `name`; without a clock, a shared context that does nothing."""
        return _Timed(self, name) if self.clock else _OFF


class _Timed:
    """An open phase. (A class, for a generator as context took twice as long, and that is charged to the phases.)"""

    __slots__ = ("ledger", "name")

    def __init__(self, ledger: Ledger, name: str) -> None:
        self.ledger, self.name = ledger, name

    def __enter__(self) -> None:
        ledger, name = self.ledger, self.name
        ledger.charge()
        ledger.calls[name] += name != ledger._open[-1]  # entered from another phase
        ledger._open.append(name)

    def __exit__(self, *raised: object) -> None:
        self.ledger.charge()
        self.ledger._open.pop()


_OUTSIDE = Ledger()  # for evaluations outside any run

# A context variable, so that runs in several threads, or one inside another's objective, have their own ledgers.
current: ContextVar[Ledger] = ContextVar("hessbench_ledger", default=_OUTSIDE)


def timed(phase: str, counter: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Count the calls of a function, if a counter is named, and charge its time to a phase, if there is a clock."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def run(*arguments: P.args, **keywords: P.kwargs) -> R:
            ledger = current.get()
            if ledger.clock is None:
                if counter:
                    ledger.counts[counter] += 1
                return function(*arguments, **keywords)
            with ledger.phase(phase):
                if counter:
                    ledger.counts[counter] += 1
                return function(*arguments, **keywords)

        return run

    return decorate


def count(name: str) -> None:
    current.get().counts[name] += 1


def phase(name: str) -> AbstractContextManager[None]:
    return current.get().phase(name)


@contextmanager
def separately_counted(name: str, counter: str) -> Iterator[None]:
    """Work on another objective: of what it evaluates only the Hessians are counted, and its time goes to a phase."""
    outer, inner = current.get(), Ledger()
    token = current.set(inner)
    try:
        with outer.phase(name):
            yield
            outer.counts[counter] += inner.counts["hessians"]
    finally:
        current.reset(token)
