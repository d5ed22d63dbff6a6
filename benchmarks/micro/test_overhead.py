"""What the loop, the points and the status tests cost, beside the same tensor operations as one straight function.

The aim is at most 15 microseconds an iteration on 398 x 30. `pytest --benchmark-only -s -k overhead` prints it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from solvers import SOLVERS, Status, Stop, minimize

GAP_TOLERANCE = 1e-10
REFRESH = 10  # iterations after which the margins are computed anew, as `solvers` does


def straight_newton(
    X: Tensor, Xt: Tensor, signs: Tensor, ridge: Tensor, l2: float, x: Tensor, iterations: int = 1000
) -> tuple[Tensor, int]:
    """Newton-Cholesky for the mean logistic loss, tensor operation for tensor operation what `solvers` does.

    X (n, d), Xt (d, n) a copy of its transpose, signs (n,) +-1, ridge = l2 I (d, d), x (d,). Ends where half the
    squared Newton decrement is below GAP_TOLERANCE f(x); gives x and the number of steps. No record, no status, no
    shift, nothing that can go wrong.
    """
    c = 1.0 / len(signs)
    margins = signs * (X @ x)  # (n,)
    value = float(logsigmoid(margins).sum() * -c + torch.dot(x, x) * (l2 / 2))
    age = 0
    for iteration in range(iterations):
        miss = torch.sigmoid(-margins)  # (n,)
        g = torch.addmv(l2 * x, Xt, miss * -signs, alpha=c)
        H = torch.addmm(ridge, Xt * (torch.sigmoid(margins) * miss), X, alpha=c)
        scale = H.diagonal().rsqrt()
        lower, info = torch.linalg.cholesky_ex(H * torch.outer(scale, scale))
        assert not info.item()
        direction = -(torch.cholesky_solve((scale * g).unsqueeze(1), lower).squeeze(1) * scale)
        slope = float(torch.dot(g, direction))
        if -slope / 2 <= GAP_TOLERANCE * value:
            return x, iteration
        moves = signs * (X @ direction)  # (n,)
        t = 1.0
        while True:
            trial = torch.add(x, direction, alpha=t)
            ahead = torch.add(margins, moves, alpha=t) if age < REFRESH else signs * (X @ trial)
            trial_value = float(logsigmoid(ahead).sum() * -c + torch.dot(trial, trial) * (l2 / 2))
            if trial_value <= value + 1e-4 * t * slope:
                break
            t *= 0.5
        x, margins, value = trial, ahead, trial_value
        age = age + 1 if age < REFRESH else 0
    return x, iterations


WITH_TESTS = Stop(gap_tolerance=GAP_TOLERANCE)
STEPS_ALONE = Stop(gap_tolerance=None, iterations=8)  # as many as the run with tests needs


def make_contestants(problem, stop: Stop) -> tuple[Callable[[], object], Callable[[], object], int]:
    """The solver, the straight function, and their iterations, after a check that both do the same."""
    f = problem.objective
    X, signs, ridge = f.X, 2 * f.y - 1, f.l2 * torch.eye(f.size, dtype=f.X.dtype)
    Xt = X.T.contiguous()

    def solver():
        return minimize(SOLVERS["newton-cholesky"], f, stop=stop)

    def straight():
        return straight_newton(X, Xt, signs, ridge, f.l2, torch.zeros(f.size, dtype=X.dtype), stop.iterations)

    result, (x, iterations) = solver(), straight()
    assert result.status == (Status.CONVERGED if stop.tests else Status.ITERATION_LIMIT)
    assert result.iterations == iterations
    assert float((result.x - x).abs().max()) <= 1e-12
    return solver, straight, iterations


@pytest.mark.benchmark(group="overhead")
@pytest.mark.parametrize("stop", [WITH_TESTS, STEPS_ALONE], ids=["whole run", "steps alone"])
def test_the_overhead_of_an_iteration(benchmark, alternate, problem, stop, request, capsys):
    """Each pair is a whole run of both: what a run costs once is shared out among its iterations.

    The whole run ends by the test of convergence, which the straight function replaces by its own last decrement. The
    steps alone have no such test: the difference is what the last test costs.
    """
    solver, straight, iterations = make_contestants(problem, stop)
    pairs = alternate(solver, straight, rounds=1000)
    microseconds = type(pairs.difference)(*(seconds * 1e6 / iterations for seconds in pairs.difference))
    fastest = (min(pairs.first) - min(pairs.second)) * 1e6 / iterations  # what a quiet machine would show
    benchmark.extra_info |= {
        "iterations": iterations,
        "overhead_us_per_iteration": microseconds._asdict(),
        "overhead_us_per_iteration_of_the_fastest": fastest,
        "ratio": pairs.ratio._asdict(),
    }
    with capsys.disabled():
        print(
            f"\noverhead, {request.node.callspec.id}: {microseconds} microseconds an iteration (aim: 15; fastest runs: "
            f"{fastest:.3g}), ratio {pairs.ratio}, {iterations} iterations"
        )


@pytest.fixture
def contestants(problem):
    return make_contestants(problem, WITH_TESTS)


@pytest.mark.benchmark(group="newton-cholesky on 398 x 30")
def test_the_solver(benchmark, contestants):
    solver, _, iterations = contestants
    benchmark.extra_info["iterations"] = iterations
    benchmark(solver)


@pytest.mark.benchmark(group="newton-cholesky on 398 x 30")
def test_the_straight_function(benchmark, contestants):
    _, straight, iterations = contestants
    benchmark.extra_info["iterations"] = iterations
    benchmark(straight)
