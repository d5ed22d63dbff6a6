"""Chebyshev's correction: its formula, its order, and what is done where it is not to be trusted."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from solvers import SOLVERS, Status, Stop, minimize
from solvers.objectives import FunctionObjective, LogisticRegression

CHEBYSHEV, CHOLESKY = SOLVERS["newton-chebyshev"], SOLVERS["newton-cholesky"]


def scalar(f, x: float, steps: int = 1, solver=CHEBYSHEV):
    return minimize(solver, FunctionObjective(f), torch.tensor([x], dtype=torch.float64), Stop(None, iterations=steps))


def test_a_step_is_the_formula():
    """f = e^x - 2x at 0: g = -1, H = 1, f''' = 1, so s = 1 and c = -1/2."""
    assert scalar(lambda x: x[0].exp() - 2 * x[0], 0.0).x.item() == pytest.approx(0.5, abs=1e-7)


def test_it_is_newton_on_a_quadratic(logistic):
    A = torch.diag(torch.tensor([1.0, 30.0, 900.0], dtype=torch.float64))
    quadratic = FunctionObjective(lambda x: (x - 1) @ A @ (x - 1) / 2)
    x = minimize(CHEBYSHEV, quadratic, torch.zeros(3, dtype=torch.float64), Stop(None, iterations=1)).x
    assert torch.allclose(x, torch.ones(3, dtype=torch.float64), atol=1e-10)


def test_each_step_triples_the_digits(logistic):
    """errors e, e^3, ...: their logarithms grow by about 3 a step, those of Newton's method by 2."""
    problem = logistic(400, 6, l2=1e-3)
    best = minimize(CHOLESKY, problem, stop=Stop(gap_tolerance=0.0)).x
    for solver, order in ((CHEBYSHEV, 3.0), (CHOLESKY, 2.0)):
        iterates = minimize(solver, problem, stop=Stop(None, iterations=5)).trace.iterates
        errors = [float((x - best).norm()) for x in iterates]
        logs = [torch.tensor(e).log() for e in errors if 1e-10 < e < 0.3]
        slopes = [float(after / before) for before, after in pairwise(logs)]
        assert slopes and slopes[-1] == pytest.approx(order, abs=0.5)


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
def test_it_needs_fewer_hessians(logistic, csr, intercept):
    problem = logistic(400, 12, l2=1e-4, csr=csr, fit_intercept=intercept)
    mine, newton = (minimize(solver, problem, stop=Stop(gap_tolerance=1e-12)) for solver in (CHEBYSHEV, CHOLESKY))
    assert mine.status == newton.status == Status.CONVERGED
    assert mine.counters["hessians"] < newton.counters["hessians"]
    assert mine.counters["third_derivatives"] == mine.iterations


def test_where_the_corrected_step_rises_the_newton_step_is_taken():
    """f = sqrt(1 + x^2) at 2: c is more than -1/2 s, and the corrected step leads further away than it began."""

    def f(x):
        return (1 + x[0] ** 2).sqrt()

    assert scalar(f, 2.0).x.item() == pytest.approx(scalar(f, 2.0, solver=CHOLESKY).x.item())
    result = minimize(CHEBYSHEV, FunctionObjective(f), torch.tensor([2.0], dtype=torch.float64))
    assert result.status == Status.CONVERGED and abs(result.x.item()) < 1e-4


def test_where_the_hessian_is_indefinite_it_is_the_shifted_newton_step():
    saddle, start = FunctionObjective(lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4), torch.tensor([1.0, 0.1]).double()
    mine, newton = (minimize(solver, saddle, start, Stop(None, iterations=1)) for solver in (CHEBYSHEV, CHOLESKY))
    assert torch.equal(mine.x, newton.x) and mine.counters["hessian_vector_products"] == 0


def test_two_products_with_x_and_one_with_its_transpose_are_all_a_correction_costs(logistic):
    problem = logistic(200, 5, l2=0.1)
    counts = [minimize(s, problem, stop=Stop(None, iterations=3)).counters for s in (CHEBYSHEV, CHOLESKY)]
    assert counts[0]["margins"] - counts[1]["margins"] == 3 == counts[0]["third_derivatives"]
    assert counts[0]["hessians"] == counts[1]["hessians"] and counts[0]["gradients"] == counts[1]["gradients"]


def test_a_gradient_test_alone_assembles_no_hessian_at_the_end(logistic):
    problem = logistic(200, 5, l2=0.1)
    assert isinstance(problem, LogisticRegression)
    result = minimize(CHOLESKY, problem, stop=Stop(None, gradient_tolerance=1e-6))
    assert result.status == Status.CONVERGED and result.counters["hessians"] == result.iterations
    assert float(problem.at(result.x).gradient.abs().max()) <= 1e-6
