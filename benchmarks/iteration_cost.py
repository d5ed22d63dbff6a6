"""asv: the time of an iteration, from commit to commit."""

from __future__ import annotations

from .grid import DEVICES, DTYPES, FULL, SOLVER_NAMES, fixed, prepare

# 398 x 30 in two units, then 1,257 x 64 for ten classes, 5,000 x 300 in CSR layout, 100,000 x 10
PROBLEM_NAMES = ("breast-cancer-l2", "breast-cancer-raw")
PROBLEM_NAMES += ("breast-cancer-mean10", "digits", "synthetic-sparse", "synthetic-tall") if FULL else ()
ITERATIONS = 5  # fewer than any of the solvers needs to converge


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
        from solvers import minimize

        return minimize(self.solver, self.problem.objective, self.problem.x0, self.stop)

    def time_five_iterations(self, solver: str, problem: str, dtype: str, device: str) -> None:
        self.solve()
