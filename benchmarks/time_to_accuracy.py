"""asv: how long, and how many iterations, until the gap to the certified optimum is small."""

from __future__ import annotations

import math

import torch

from datasets import build, certificate
from solvers import minimize

from .cases import fixed
from .iteration_cost import DEVICES, DTYPES, SOLVER_NAMES, prepare

PROBLEM = "breast-cancer-l2"
GAPS = (1e-3, 1e-6, 1e-9)  # (f - f*) / (f(x0) - f*), f in float64
LIMIT = 300  # iterations


def iterations_to(gap: float, solver, problem) -> float:
    """The first kept iterate at which the gap is reached; NaN where none of the first 300 reaches it.

    Iterates beyond the hundredth are kept 20 to a decade, so a long run is counted to 12 %.
    """
    result = minimize(solver, problem.objective, problem.x0, fixed(LIMIT))
    exact, best = build(PROBLEM).objective, certificate(PROBLEM).optimum
    values = torch.stack([exact.at(x.double().cpu()).value for x in result.trace.iterates]) - best
    reached = (values <= gap * values[0]).nonzero()
    return float(result.trace.iterations[int(reached[0])]) if len(reached) else math.nan


class IterationsToGap:
    """Iterations until (f - f*) / (f(x0) - f*) is at most the gap; n/a where it is never reached."""

    version = "1"
    params = (SOLVER_NAMES, GAPS, DTYPES, DEVICES)
    param_names = ("solver", "gap", "dtype", "device")

    def setup(self, solver: str, gap: float, dtype: str, device: str) -> None:
        self.solver, self.problem = prepare(solver, PROBLEM, dtype, device)

    def track_iterations_to_gap(self, solver: str, gap: float, dtype: str, device: str) -> float:
        return iterations_to(gap, self.solver, self.problem)

    track_iterations_to_gap.unit = "iterations"


class TimeToGap:
    """Seconds until (f - f*) / (f(x0) - f*) is at most the gap: so many iterations as that takes, without any test."""

    version = "1"
    params = (SOLVER_NAMES, GAPS, DTYPES, DEVICES)
    param_names = ("solver", "gap", "dtype", "device")
    number = 1

    def setup(self, solver: str, gap: float, dtype: str, device: str) -> None:
        self.solver, self.problem = prepare(solver, PROBLEM, dtype, device)
        iterations = iterations_to(gap, self.solver, self.problem)
        if math.isnan(iterations):
            raise NotImplementedError(f"{solver} does not reach a gap of {gap:g} in {LIMIT} iterations")
        self.stop = fixed(int(iterations))

    def time_to_gap(self, solver: str, gap: float, dtype: str, device: str) -> None:
        minimize(self.solver, self.problem.objective, self.problem.x0, self.stop)
