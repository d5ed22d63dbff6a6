"""Whole runs from the start until `converged`, each solver beside the others, on the CPU and on CUDA."""

from __future__ import annotations

import pytest

from datasets import build, certificate
from solvers import SOLVERS, Status, Stop, minimize

from ..profiling.work import total

PROBLEMS = ("breast-cancer-l2", "iris", "synthetic-sparse")


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_time_to_converged(benchmark, problem, solver, device):
    """Seconds until the exact decrement is below 1e-8 |f|; a solver that is not there after 300 iterations is skipped.

    extra_info: iterations, the gap to the certified optimum in float64, FLOPs by formula, counters.
    """
    built, stop = build(problem, device=device), Stop(gap_tolerance=1e-8, iterations=300)
    result = minimize(SOLVERS[solver], built.objective, built.x0, stop)
    if result.status != Status.CONVERGED:
        pytest.skip(f"{solver} ends by {result.status} after {result.iterations} iterations")
    gap = float(build(problem).objective.at(result.x.double().cpu()).value) - certificate(problem).optimum
    assert gap <= 2e-8 * result.value
    benchmark.group = f"time to converged, {problem}, {device}"
    benchmark.extra_info |= {
        "iterations": result.iterations,
        "gap": gap,
        "flops": total(built.objective, result.counters).flops,
        "counters": result.counters,
    }
    benchmark(lambda: minimize(SOLVERS[solver], built.objective, built.x0, stop))
