"""asv: time and iterations until the gap to the certified optimum, or the test error, is small."""

from __future__ import annotations

import math

import torch

from .grid import DEVICES, DTYPES, SOLVER_NAMES, fixed, prepare

PROBLEM = "breast-cancer-l2"
# (f - f*) / (f(x0) - f*), f in float64; and the share of test rows on the wrong side
TARGETS = ("gap 1e-3", "gap 1e-6", "gap 1e-9", "test error 5e-2")
LIMIT = 300  # iterations


def iterations_to(target: str, solver, problem) -> float:
    """The first recorded iterate that reaches a target; NaN if none of the first 300 iterations does.

    Beyond the hundredth, 20 iterates a decade are recorded: the number of iterations of a long run is exact to 12 %.
    """
    from datasets import build, certificate
    from solvers import minimize

    what, level = target.rsplit(" ", 1)
    result = minimize(solver, problem.objective, problem.x0, fixed(LIMIT))
    exact, best = build(PROBLEM), certificate(PROBLEM).optimum
    iterates = [x.double().cpu() for x in result.trace.iterates]
    if what == "gap":
        distances = torch.stack([exact.objective.at(x).value for x in iterates]) - best
        distances = distances / distances[0]
    else:
        distances = torch.tensor([1 - exact.held_out.accuracy(x) for x in iterates])
    reached = (distances <= float(level)).nonzero()
    return float(result.trace.iterations[int(reached[0])]) if len(reached) else math.nan


class IterationsToTarget:
    """Iterations until a gap or a test error is small enough; n/a if it never is."""

    version = "1"
    params = (SOLVER_NAMES, TARGETS, DTYPES, DEVICES)
    param_names = ("solver", "target", "dtype", "device")

    def setup(self, solver: str, target: str, dtype: str, device: str) -> None:
        self.solver, self.problem = prepare(solver, PROBLEM, dtype, device)

    def track_iterations(self, solver: str, target: str, dtype: str, device: str) -> float:
        return iterations_to(target, self.solver, self.problem)

    track_iterations.unit = "iterations"


class TimeToTarget:
    """Seconds for as many iterations as a target takes, without any test."""

    version = "1"
    params = (SOLVER_NAMES, TARGETS, DTYPES, DEVICES)
    param_names = ("solver", "target", "dtype", "device")
    number = 1

    def setup(self, solver: str, target: str, dtype: str, device: str) -> None:
        self.solver, self.problem = prepare(solver, PROBLEM, dtype, device)
        iterations = iterations_to(target, self.solver, self.problem)
        if math.isnan(iterations):
            raise NotImplementedError(f"{solver} does not reach {target} in {LIMIT} iterations")
        self.stop = fixed(int(iterations))

    def time_to_target(self, solver: str, target: str, dtype: str, device: str) -> None:
        from solvers import minimize

        minimize(self.solver, self.problem.objective, self.problem.x0, self.stop)
