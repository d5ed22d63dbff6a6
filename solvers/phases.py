"""What a run did, and where its time went: counters always, phase times when a clock is given."""

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
    "hessian_diagonals",
    "hessian_vector_products",
    "factorisations",
    "shifted",  # Newton systems solved with a shift that the undamped method does not have
    "line_search_trials",
    "stopping_tests",  # exact Newton decrements computed to decide `converged`
)
PHASES = ("gradient", "hessian", "factorise", "solve", "line search", "stopping test", "other")

_OFF = nullcontext()


class Ledger:
    """Counts events; with a clock it also charges every moment to exactly one phase.

    Phases nest, and time belongs to the innermost one: the sum of `seconds` is the whole time between
    the first and the last reading of the clock, with nothing counted twice.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self.counts: dict[str, int] = dict.fromkeys(COUNTERS, 0)
        self.clock = clock
        self.seconds: dict[str, float] = dict.fromkeys(PHASES, 0.0)
        self.calls: dict[str, int] = dict.fromkeys(PHASES, 0)
        self._open: list[str] = ["other"]
        self._mark = clock() if clock else 0.0

    def snapshot(self) -> tuple[int, ...]:
        """The counters now, in the order of COUNTERS."""
        return tuple(self.counts.values())

    def charge(self) -> None:
        """Give the time since the last reading to the innermost open phase."""
        if self.clock:
            now = self.clock()
            self.seconds[self._open[-1]] += now - self._mark
            self._mark = now

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        self.charge()
        self._open.append(name)
        self.calls[name] += 1
        try:
            yield
        finally:
            self.charge()
            self._open.pop()

    def phase(self, name: str) -> AbstractContextManager[None]:
        """A context whose time goes to `name`; without a clock, a shared context that does nothing."""
        return self._timed(name) if self.clock else _OFF


_NOBODY = Ledger()  # for what is evaluated outside any run

# A context variable, so that runs in several threads, or one inside another's objective, keep their own books.
current: ContextVar[Ledger] = ContextVar("hessbench_ledger", default=_NOBODY)


def booked(phase: str, counter: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Count the calls of a function, where it has a counter, and charge its time to a phase, where there is a clock."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def run(*arguments: P.args, **keywords: P.kwargs) -> R:
            ledger = current.get()
            if counter:
                ledger.counts[counter] += 1
            if ledger.clock is None:
                return function(*arguments, **keywords)
            with ledger.phase(phase):
                return function(*arguments, **keywords)

        return run

    return decorate


def count(name: str) -> None:
    current.get().counts[name] += 1


def phase(name: str) -> AbstractContextManager[None]:
    return current.get().phase(name)
