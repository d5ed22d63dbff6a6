"""asv: what an iteration costs, from commit to commit."""

from __future__ import annotations

import sklearn.datasets
import sklearn.model_selection  # noqa: F401, loaded once, before asv forks a process for every cell
import torch

from datasets import build
from solvers import minimize

from .cases import fixed

# Names, not the registry: a commit that lacks one shows n/a, and the cells are the same for all commits.
SOLVER_NAMES = (
    "gradient-descent",
    "newton",
    "newton-cholesky",
    "newton-damped",
    "newton-levenberg",
    "newton-cg",
    "newton-diagonal",
    "newton-diagonal-damped",
)
PROBLEM_NAMES = ("breast-cancer-l2", "breast-cancer-mean10", "breast-cancer-raw")  # d = 30, 10, and 30 + intercept
DTYPES = ("float64", "float32")
DEVICES = ("cpu", "cuda")
ITERATIONS = 5  # fewer than any of the solvers needs to stand still


def absent_device(device: str) -> bool:
    """Asked in `setup` and never at import: the process that asv forks must not open a device."""
    return device == "cuda" and not torch.cuda.is_available()


def prepare(solver: str, problem: str, dtype: str, device: str):
    """The solver and the problem on one thread; NotImplementedError, which asv shows as n/a, where one is not there."""
    if absent_device(device):
        raise NotImplementedError(f"no device {device}")
    from datasets import PROBLEMS
    from solvers import SOLVERS

    if solver not in SOLVERS or problem not in PROBLEMS:
        raise NotImplementedError(f"this commit has no {solver} or no {problem}")
    torch.set_num_threads(1)
    return SOLVERS[solver], build(problem, getattr(torch, dtype), device)


class IterationCost:
    """Seconds for 5 iterations from the start, with no test of convergence.

    `minimize` reads a clock that waits for the device, at every iterate and at the end, so the timer need not.
    """

    version = "1"
    params = (SOLVER_NAMES, PROBLEM_NAMES, DTYPES, DEVICES)
    param_names = ("solver", "problem", "dtype", "device")
    number = 10

    def setup(self, solver: str, problem: str, dtype: str, device: str) -> None:
        self.solver, self.problem = prepare(solver, problem, dtype, device)
        self.stop = fixed(ITERATIONS)
        result = self.solve()
        if result.iterations < ITERATIONS:
            raise NotImplementedError(f"{solver} ended after {result.iterations} iterations: {result.status}")

    def solve(self):
        return minimize(self.solver, self.problem.objective, self.problem.x0, self.stop)

    def time_five_iterations(self, solver: str, problem: str, dtype: str, device: str) -> None:
        self.solve()
