"""What limits the fastest of our solvers in a race: its profile at the setting that was timed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from datasets import Problem
from solvers import Stop

from ..profiling.profile import verdict
from ..profiling.recording import profile
from ..runner.suites import Case
from .race import Course, Trial

REPEATS = 7


def limits(problem: Problem, course: Course, solver: str, stop: Stop, best: Trial, threads: int) -> dict[str, Any]:
    """As plain values: the seconds of a run, of its phases and of each limit (Profile.bounds).

    The run is `minimize` alone, without the construction of the objective, which is on the clock of a race.
    """
    raced = replace(problem, objective=course.objective(best.layout, best.dtype))
    case = Case(problem.name, solver, stop=stop, dtype=best.dtype, threads=threads)
    raced = replace(raced, x0=problem.x0.to(raced.objective.X.dtype))
    found = profile(case, REPEATS, builder=lambda dtype, device: raced)
    return {
        "seconds": found.uninstrumented,
        "instrumented": found.total,
        "bounds": found.bounds,
        "phases": {phase.name: phase.seconds for phase in found.phases if phase.seconds},
        "operations": found.operations,
        "verdict": verdict(found),
    }
