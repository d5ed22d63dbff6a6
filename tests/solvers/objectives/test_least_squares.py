"""Sums of squares: the objective, Gauss-Newton and Levenberg-Marquardt, and what they say where they cannot work."""

from __future__ import annotations

import pytest
import torch

from datasets import FUNCTIONS, build
from solvers import SOLVERS, GaussNewton, LevenbergMarquardt, Status, Stop, minimize
from solvers.objectives import FunctionObjective, LeastSquares, LogisticRegression, ResidualMLP

BOTH = ("gauss-newton", "levenberg-marquardt")
ONCE = Stop(gap_tolerance=None, iterations=1)


def linear(m: int = 8, d: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(m, *rest, generator=generator, dtype=torch.float64) for rest in ((d,), ()))


def test_the_derivatives_of_linear_residuals_are_those_of_the_normal_equations():
    A, b = linear()
    x = torch.ones(3, dtype=torch.float64)
    for first in ("gradient", "jacobian"):  # the gradient has two ways
        point = LeastSquares(lambda x: A @ x - b).at(x)
        getattr(point, first)
        assert torch.allclose(point.jacobian, A, atol=1e-14)
        assert torch.allclose(point.gradient, 2 * A.T @ (A @ x - b), atol=1e-13)
        assert torch.allclose(point.hessian, 2 * A.T @ A, atol=1e-13)
        assert torch.equal(point.gauss_newton, 2 * point.jacobian.T @ point.jacobian)


def test_the_curvature_of_the_residuals_is_what_gauss_newton_leaves_out():
    problem = build("mgh-kowalik-osborne")
    point = problem.objective.at(problem.x0)
    left_out = sum(
        2 * r * torch.autograd.functional.hessian(lambda x, i=i: problem.objective.residuals(x)[i], point.x)
        for i, r in enumerate(point.residuals)
    )
    assert float(left_out.norm()) > 0.01 * float(point.hessian.norm())
    assert torch.allclose(point.hessian - point.gauss_newton, left_out, atol=1e-12)


@pytest.mark.parametrize("wrong", [lambda x: x.sum(), lambda x: 1.0, lambda x: torch.outer(x, x)])
def test_residuals_that_are_no_vector_are_refused(wrong):
    with pytest.raises(TypeError, match="residuals must return a tensor"):
        minimize(SOLVERS["gauss-newton"], LeastSquares(wrong), torch.ones(2, dtype=torch.float64))
    with pytest.raises(TypeError, match="residuals must be a function"):
        LeastSquares(torch.ones(2))


def test_the_matrix_of_a_linear_model_is_its_hessian_and_that_of_a_network_is_its_products(logistic):
    f = logistic(l2=0.1)
    point = f.at(torch.ones(f.size, dtype=torch.float64))
    assert torch.equal(point.gauss_newton, point.hessian)
    X, y = linear(6, 2)
    network = ResidualMLP(X, y, depth=1)
    start = network.at(network.random_start(torch.Generator().manual_seed(1)))
    J = torch.autograd.functional.jacobian(lambda x: network.at(x).predictions.flatten(), start.x)
    assert torch.allclose(start.gauss_newton, 2 / 6 * J.T @ J, atol=1e-13)
    assert not torch.allclose(start.gauss_newton, start.hessian, atol=1e-3)


@pytest.mark.parametrize("name", BOTH)
def test_without_the_matrix_the_end_is_an_error_that_names_the_remedy(name):
    bowl = FunctionObjective(lambda x: x.square().sum())
    result = minimize(SOLVERS[name], bowl, torch.ones(2, dtype=torch.float64))
    assert result.status == Status.ERROR and "LeastSquares" in result.message and "newton-cholesky" in result.message
    assert result.iterations == 0 and result.value == 2.0


def test_a_gauss_newton_step_solves_linear_least_squares():
    A, b = linear()
    result = minimize(GaussNewton(), LeastSquares(lambda x: A @ x - b), torch.zeros(3, dtype=torch.float64), ONCE)
    assert torch.allclose(result.x, torch.linalg.lstsq(A, b.unsqueeze(1)).solution[:, 0], atol=1e-13)
    assert result.counters["jacobians"] == 1 and result.counters["hessians"] == 0


def test_a_gauss_newton_step_from_full_length_is_the_least_squares_solution_of_the_linearised_residuals():
    problem = build("mgh-helical-valley")
    start = problem.objective.at(problem.x0)
    step = torch.linalg.lstsq(start.jacobian, -start.residuals.unsqueeze(1)).solution[:, 0]
    proposal = GaussNewton().propose(start, None)
    assert torch.allclose(proposal.direction, step, rtol=1e-10)


def test_a_levenberg_marquardt_step_is_its_formula_and_its_units_never_shrink():
    solver = LevenbergMarquardt(initial_shift=0.5)
    problem = build("mgh-brown-dennis")
    point = problem.objective.at(problem.x0)
    state = solver.init(point)
    largest = torch.zeros(4, dtype=torch.float64)
    for _ in range(6):
        B = point.gauss_newton
        largest = torch.maximum(largest, B.diagonal())
        proposal = solver.propose(point, state)
        expected = -torch.linalg.solve(B + state.size * largest.diag(), point.gradient)
        assert torch.allclose(proposal.direction, expected, rtol=1e-9)
        assert torch.equal(proposal.state.units, largest)
        arrived, after = solver.move(point, proposal)
        s = proposal.direction
        gain = -(point.gradient @ s + s @ B @ s / 2)
        q = float((point.value - arrived.value) / gain)
        factor = state.growth if arrived is point else max(1 / 3, 1 - (2 * q - 1) ** 3)
        assert after.size == pytest.approx(state.size * factor, rel=1e-6)
        assert (arrived is point) == (q <= solver.eta0)
        point, state = arrived, after


def test_rejections_double_then_quadruple_lambda_and_keep_the_point():
    solver = LevenbergMarquardt(initial_shift=1e-12)
    f = LeastSquares(lambda x: torch.atan(x) + 0.0)  # from far away the full Gauss-Newton step goes farther
    point = f.at(torch.tensor([30.0], dtype=torch.float64))
    state, sizes = solver.init(point), []
    for _ in range(3):
        arrived, state = solver.step(point, state)
        sizes.append(state.size)
        assert arrived is point
    assert sizes == pytest.approx([2e-12, 8e-12, 64e-12])


@pytest.mark.parametrize("name", BOTH)
def test_the_units_of_the_variables_do_not_matter(name):
    problem, units = build("mgh-kowalik-osborne"), torch.tensor([1e3, 1e-4, 1.0, 50.0], dtype=torch.float64)
    changed = LeastSquares(lambda x: problem.objective.residuals(units * x))
    stop = Stop(gap_tolerance=None, iterations=4)
    a = minimize(SOLVERS[name], problem.objective, problem.x0, stop)
    b = minimize(SOLVERS[name], changed, problem.x0 / units, stop)
    assert torch.allclose(a.x, units * b.x, rtol=1e-6)


EASY = ("rosenbrock", "beale", "helical-valley", "bard", "gaussian", "kowalik-osborne", "osborne", "wood", "box")


@pytest.mark.parametrize("name", EASY)
def test_levenberg_marquardt_finds_the_published_minimum(name):
    problem = build("mgh-" + name)
    result = minimize(SOLVERS["levenberg-marquardt"], problem.objective, problem.x0, Stop(iterations=200))
    assert result.status == Status.CONVERGED, result
    assert result.value == pytest.approx(problem.published.value, rel=1e-9, abs=1e-20)


def test_what_is_called_converged_is_a_known_minimum():
    for name in ("mgh-rosenbrock", "mgh-freudenstein-roth", "mgh-gaussian", "mgh-brown-almost-linear", "mgh-bard"):
        problem = build(name)
        for solver in BOTH:
            result = minimize(SOLVERS[solver], problem.objective, problem.x0, Stop(iterations=60))
            if result.status == Status.CONVERGED:
                known = (problem.published.value, *problem.published.others)
                assert any(result.value == pytest.approx(value, rel=1e-8, abs=1e-18) for value in known)
    assert len(FUNCTIONS) > 30


def test_both_meet_a_logistic_problem_with_a_wide_x():
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(10, 30, generator=generator, dtype=torch.float64)
    f = LogisticRegression(X, (X[:, 0] > 0).double(), l2=0.1)
    values = {name: minimize(SOLVERS[name], f) for name in (*BOTH, "newton-cholesky")}
    assert {r.status for r in values.values()} == {Status.CONVERGED}
    assert max(r.value for r in values.values()) - min(r.value for r in values.values()) < 1e-12


def test_residuals_of_another_dtype_than_x_are_solved_as_well_as_they_are_known():
    A, b = linear()
    wanted = torch.linalg.lstsq(A, b.unsqueeze(1)).solution.squeeze(1)
    failures = {}
    for given, data in ((torch.float32, torch.float64), (torch.float64, torch.float32)):
        A_, b_ = A.to(data), b.to(data)

        def residuals(x, A_=A_, b_=b_):
            return (A_ * x).sum(1).to(A_.dtype) - b_  # products with @ refuse two dtypes

        for name in SOLVERS:
            try:
                found = minimize(SOLVERS[name], LeastSquares(residuals), torch.ones(3, dtype=given))
            except Exception as error:
                failures[name, given] = error
                continue
            if found.x.dtype != given or not bool(found.x.isfinite().all()):
                failures[name, given] = found.x
            if name in (*BOTH, "newton-cholesky", "lbfgs") and not torch.allclose(found.x.double(), wanted, atol=1e-3):
                failures[name, given] = found.x, found.status
        point = LeastSquares(residuals).at(torch.ones(3, dtype=given))
        for first in ("gradient", "jacobian"):
            point = LeastSquares(residuals).at(torch.ones(3, dtype=given))
            getattr(point, first)
            derivatives = point.gradient, point.jacobian, point.gauss_newton, point.hessian
            if any(part.dtype != given for part in derivatives) or point.residuals.dtype != torch.float64:
                failures[first, given] = [part.dtype for part in derivatives]
    assert not failures, failures


def test_complex_residuals_and_values_are_refused():
    x0 = torch.ones(2, dtype=torch.float64)
    with pytest.raises(TypeError, match="residuals must be real"):
        minimize(SOLVERS["gauss-newton"], LeastSquares(lambda x: x * 1j), x0)
    with pytest.raises(TypeError, match="f must return a real number"):
        minimize(SOLVERS["lbfgs"], FunctionObjective(lambda x: (x * 1j).sum()), x0)
