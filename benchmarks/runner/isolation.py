"""A run in a process of its own: a solver that hangs, takes all memory or kills its process is a row like any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from datasets import build, certificate
from solvers import Status

from .measure import Measurement, evaluate, measure, sentence
from .suites import Case
from .worker import LostError, Worker


@dataclass(frozen=True)
class Limits:
    """What a run may take. seconds: of the wall clock, its warm-up and the evaluation of its iterates included, the
    data and the certificate not. memory: bytes that it may allocate on the host, beyond what the process began with."""

    seconds: float
    memory: int


class IsolatedRuns:
    """Measures in another process, within limits. prepare: called in that process first."""

    def __init__(self, limits: Limits, prepare: Callable[[], object] | None = None) -> None:
        self.limits = limits
        self.worker = Worker(_measured, prepare, load=_load, memory=limits.memory)

    def __enter__(self) -> IsolatedRuns:
        return self

    def __exit__(self, *raised: object) -> None:
        self.worker.close()

    def rows(self, case: Case, repeat: int) -> list[dict[str, Any]]:
        """The rows of one run; where it did not come to an end, the one that says why."""
        try:
            rows = self.worker.ask(case, repeat, seconds=self.limits.seconds)
        except LostError as error:
            return evaluate(Measurement(case, repeat, None, str(error)))
        if rows[0]["status"] == Status.ERROR:  # the next run gets a process without what this one left behind
            self.worker.close()
        return rows


def _load(case: Case, repeat: int) -> None:
    build(case.problem)
    certificate(case.problem)


def _measured(case: Case, repeat: int) -> list[dict[str, Any]]:
    try:
        return evaluate(measure(case, repeat))
    except (MemoryError, RuntimeError) as error:  # the limit of memory was met after the run
        return evaluate(Measurement(case, repeat, None, sentence(error)))
