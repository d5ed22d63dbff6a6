"""Truncated Newton: products only, no more than the forcing rule asks for, and always downhill."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, pairwise

import pytest
import torch

from solvers import SOLVERS, NewtonCG, Status, Stop, minimize
from solvers.auto import pick
from solvers.core import decrement as decrement_module
from solvers.core.conjugate_gradients import conjugate_gradients, gradient_norm, jacobi, kronecker
from solvers.core.decrement import exact_decrement
from solvers.objectives import FunctionObjective, LogisticRegression, ResidualMLP, SoftmaxRegression
from solvers.objectives.linear.logistic import LogisticPoint
from solvers.objectives.residual_mlp import MLPPoint
from tests.solvers.helpers import counted, normal, softmax

CG = SOLVERS["newton-cg"]


def quadratic(d: int = 12):
    """1/2 (x - c)^T A (x - c), and c."""
    B, centre = normal(d, d), normal(d, seed=1)
    A = B @ B.T / d + torch.eye(d, dtype=torch.float64)
    return FunctionObjective(lambda x: 0.5 * torch.dot(x - centre, A @ (x - centre))), centre


def net(seed: int = 0):
    """A residual network on random data of the shape of breast-cancer-mean10, and a random start."""
    X = normal(120, 10)
    objective = ResidualMLP(X, (X[:, 0] * X[:, 1] > 0).double())
    return objective, objective.random_start(torch.Generator().manual_seed(seed))


def test_a_quadratic_is_solved_in_at_most_d_products():
    objective, centre = quadratic()
    exact = replace(CG, forcing=1e-12)
    result = minimize(exact, objective, torch.zeros(12, dtype=torch.float64), Stop(None, iterations=1))
    assert torch.allclose(result.x, centre, atol=1e-9)
    assert 1 < result.counters["hessian_vector_products"] <= 12


def test_the_forcing_rule_stops_at_the_first_residual_that_is_small_enough():
    objective, _ = quadratic()
    point = objective.at(torch.zeros(12, dtype=torch.float64))
    for forcing in (0.5, 0.1, 1e-3):
        solver = replace(CG, forcing=forcing)
        proposal, counts = counted(lambda solver=solver: solver.propose(point, solver.init(point)))
        left = float((point.hessian @ proposal.direction + point.gradient).norm() / point.gradient.norm())
        products = counts["hessian_vector_products"]
        residuals = [step.residual for step in islice(conjugate_gradients(point), products)]
        assert left <= forcing and residuals[-1] ** 0.5 == pytest.approx(left * float(point.gradient.norm()))
        assert all(r > (forcing * gradient_norm(point)) ** 2 for r in residuals[:-1])


def test_the_cap_on_products_holds_and_the_direction_still_descends():
    objective, _ = quadratic()
    point = objective.at(torch.zeros(12, dtype=torch.float64))
    solver = NewtonCG(forcing=1e-12, cg_iterations=3)
    proposal, counts = counted(lambda: solver.propose(point, solver.init(point)))
    assert counts["hessian_vector_products"] == 3 and proposal.slope < 0


@pytest.mark.parametrize("tolerance", [1e-10, 0.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_it_finds_the_minimum_that_cholesky_finds(breast_cancer_split, dtype, tolerance):
    X, y = (a.to(dtype) for a in breast_cancer_split[:2])
    for objective in (LogisticRegression(X, y, l2=1 / 398), softmax(l2=0.01, fit_intercept=True)):
        found, wanted = (
            minimize(solver, objective, stop=Stop(tolerance)) for solver in (CG, SOLVERS["newton-cholesky"])
        )
        assert found.status == wanted.status == Status.CONVERGED
        assert found.iterations <= 15
        eps = torch.finfo(found.x.dtype).eps
        assert abs(found.value - wanted.value) <= 2 * max(tolerance, 4 * eps) * wanted.value


def test_it_asks_for_products_and_never_for_a_hessian(monkeypatch):
    def forbidden(self):
        raise AssertionError("a Hessian was asked for")

    monkeypatch.setattr(LogisticPoint, "hessian", property(forbidden))
    monkeypatch.setattr(MLPPoint, "hessian", property(forbidden))
    objective, x = net()
    for f, start in ((LogisticRegression(normal(50, 5), torch.ones(50)), torch.zeros(5).double()), (objective, x)):
        point, state = f.at(start), CG.init(f.at(start))
        for _ in range(3):
            (point, state), counts = counted(lambda p=point, s=state: CG.step(p, s))
            assert counts["hessian_vector_products"] > 0 == counts["hessians"]
        stop = Stop(gap_tolerance=None, iterations=5, stop_when_separable=False)
        assert minimize(CG, f, start, stop).counters["hessians"] == 0


def test_beyond_the_size_of_a_dense_hessian_it_converges_on_products_alone():
    n, d = 300, 4200
    X = normal(n, d)
    y = (X[:, 0] > 0).double()
    result = minimize(CG, LogisticRegression(X, y, l2=1.0, fit_intercept=True))  # the intercept is not penalised
    assert result.status == Status.CONVERGED and "conjugate gradients" in result.bound
    assert result.counters["hessians"] == 0


def test_convergence_is_superlinear(breast_cancer_split):
    """The factor by which the error falls itself falls towards 0."""
    X, y, *_ = breast_cancer_split
    objective = LogisticRegression(X, y, l2=1 / 398)
    best = minimize(SOLVERS["newton-cholesky"], objective, stop=Stop(0.0)).x
    iterates = minimize(CG, objective).trace.iterates
    errors = [float((x - best).norm()) for x in iterates]
    factors = [after / before for before, after in pairwise(errors)]
    assert factors[-1] < 0.03 < 0.1 < factors[0]
    assert factors[-1] < factors[-2] < factors[-3]


@pytest.mark.parametrize("seed", [0, 1])
def test_on_a_network_it_descends_through_negative_curvature(seed):
    objective, x = net(seed)
    start = objective.at(x)
    assert any(not step.positive for step in islice(conjugate_gradients(start), objective.size))
    result = minimize(CG, objective, x, Stop(iterations=40))
    values = [float(objective.at(w).value) for w in result.trace.iterates]
    assert all(after <= before for before, after in pairwise(values))
    assert result.value < 0.5 * values[0]


def test_a_first_direction_of_negative_curvature_is_taken_downhill_in_the_units_of_f():
    x = torch.tensor([1.0], dtype=torch.float64)
    for unit in (1e-6, 1.0, 1e6):
        point = FunctionObjective(lambda x, unit=unit: unit * (x**4 / 4 - x**2 * 4).sum()).at(x)
        proposal = CG.propose(point, CG.init(point))
        assert proposal.slope < 0
        assert float(proposal.direction) == pytest.approx(7 / 5)  # -g / |f''|
    flat = FunctionObjective(lambda x: x.sum()).at(x)
    assert CG.propose(flat, CG.init(flat)).slope < 0


def test_a_later_direction_of_negative_curvature_leaves_what_was_found_before():
    saddle = FunctionObjective(lambda x: 2 * x[0] ** 2 - 0.5 * x[1] ** 2 + x[0] + 0.1 * x[1])
    point = saddle.at(torch.zeros(2, dtype=torch.float64))
    steps = list(islice(conjugate_gradients(point), 2))
    assert [step.positive for step in steps] == [True, False]
    exact = replace(CG, forcing=1e-12)
    assert torch.equal(exact.propose(point, exact.init(point)).direction, steps[0].solution)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_flat_directions_are_not_taken_for_negative_curvature(fit_intercept):
    collinear = normal(80, 4)
    y = (collinear[:, 0] + 2 * normal(80, seed=3) > 0).double()
    collinear = torch.cat([collinear, collinear @ normal(4, 2, seed=2)], dim=1)
    for objective in (
        softmax(fit_intercept=fit_intercept),
        LogisticRegression(collinear, y, fit_intercept=fit_intercept),
    ):
        result = minimize(CG, objective)
        wanted = minimize(SOLVERS["newton-cholesky"], objective)
        assert result.status == Status.CONVERGED and result.iterations <= 15
        assert result.value == pytest.approx(wanted.value, rel=1e-9)


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
def test_curvature_at_rounding_level_is_noise_whatever_the_unit_of_f(unit):
    """Of a Hessian of rank 1 in float32 only one product is worth anything, however small the residual asked for."""
    row, eps = normal(40).float(), torch.finfo(torch.float32).eps
    point = FunctionObjective(lambda x: unit * (0.5 * torch.dot(row, x) ** 2 + 1e-3 * x.sum())).at(torch.ones(40))
    steps = list(islice(conjugate_gradients(point, eps), 40))
    assert not steps[-1].positive and len(steps) <= 4
    exact = replace(CG, forcing=1e-12)
    assert float(exact.propose(point, exact.init(point)).direction.norm()) < 1e4


def test_the_scales_of_the_columns_change_neither_iterations_nor_products():
    X = normal(200, 8)
    y = (X @ normal(8, seed=1) + 2 * normal(200, seed=2) > 0).double()
    scales = 10.0 ** torch.tensor([4, -4, 0, 2, -2, 4, -4, 1], dtype=torch.float64)
    plain, scaled = (minimize(CG, LogisticRegression(Z, y)) for Z in (X, X * scales))
    assert plain.status == scaled.status == Status.CONVERGED
    for counter in ("hessian_vector_products", "line_search_trials"):
        assert plain.counters[counter] == scaled.counters[counter]
    assert torch.allclose(scaled.x * scales, plain.x, rtol=1e-6)


def test_only_a_diagonal_that_needs_no_hessian_preconditions():
    objective, x = net()
    assert jacobi(objective.at(x)) is None
    assert jacobi(quadratic()[0].at(torch.zeros(12, dtype=torch.float64))) is None
    problem = LogisticRegression(normal(20, 3) * torch.tensor([1.0, 0.0, 2.0]), torch.ones(20))
    point = problem.at(problem.zeros())
    assert torch.allclose(jacobi(point) * point.hessian_diagonal, torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64))
    assert float(jacobi(point)[1]) == 1


@pytest.mark.parametrize("settings", [{}, {"reduction": "sum"}, {"fit_intercept": True}])
def test_kronecker_factors_invert_the_hessian_where_all_rows_have_the_same_probabilities(settings):
    """At w = 0 they have: the factors are exact, but for the intercepts, which they penalise."""
    f = softmax(l2=1e-2, **settings)
    point = f.at(f.zeros())
    matrix = point.hessian + f.l2 * torch.diag((f.penalties == 0).double())
    v = normal(f.size)
    assert torch.allclose(kronecker(point)(matrix @ v), v, atol=1e-10)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_kronecker_factors_are_the_mean_curvatures_away_from_the_start(fit_intercept):
    f = softmax(l2=1e-2, fit_intercept=fit_intercept)
    point, v = f.at(normal(f.size)), normal(f.size, seed=1)
    matrix = torch.kron(point.class_curvature(), f.second_moments) + f.l2 * torch.eye(f.size, dtype=v.dtype)
    assert torch.allclose(kronecker(point)(matrix @ v), v, atol=1e-10)


def test_kronecker_factors_save_products_and_end_at_the_same_minimum():
    X = normal(300, 20) @ normal(20, 20, seed=4)  # correlated columns, of which the diagonal knows nothing
    y = torch.multinomial(
        torch.softmax(X @ normal(20, 5, seed=5) / 4, 1), 1, generator=torch.Generator().manual_seed(0)
    )
    f = SoftmaxRegression(X, y.squeeze(1), 5, l2=1 / 300)
    plain, better = (
        minimize(solver, f, stop=Stop(gap_tolerance=1e-10)) for solver in (CG, replace(CG, kronecker=True))
    )
    assert plain.status == better.status == Status.CONVERGED
    assert 2 * better.counters["hessian_vector_products"] < plain.counters["hessian_vector_products"]
    assert better.value == pytest.approx(plain.value, rel=1e-9)


def test_the_scales_of_the_columns_leave_kronecker_factors_their_digits():
    scales = 10.0 ** torch.tensor([4, -4, 0, 2], dtype=torch.float64)
    f = softmax()
    f = SoftmaxRegression(f.X * scales, f.y, f.classes, l2=1e-12)
    point, v = f.at(f.zeros()), f.rows(normal(f.size))
    found = f.rows(kronecker(point)(point.hvp((v / scales).flatten()))) * scales
    # What all classes share has no curvature but l2, and there rounding is divided by it.
    assert torch.allclose(found - found.mean(0), v - v.mean(0), rtol=1e-5)


def test_there_are_kronecker_factors_with_a_penalty_and_dense_rows_only():
    for f in (softmax(), softmax(csr=True, l2=1e-2), LogisticRegression(normal(20, 3), torch.ones(20), l2=1e-2)):
        assert kronecker(f.at(f.zeros())) is None


def test_the_decrement_by_products_is_no_smaller_for_being_preconditioned(monkeypatch):
    f = softmax(200, 8, 4, l2=1e-3)
    x = normal(f.size)
    wanted = exact_decrement(f.at(x)).half
    monkeypatch.setattr(decrement_module, "DENSE_LIMIT", 1)
    found = exact_decrement(f.at(x))
    assert "conjugate gradients" in found.bound
    assert wanted * (1 - 1e-9) <= found.half <= 1.02 * wanted


def test_auto_takes_kronecker_factors_for_many_coefficients_of_several_classes():
    for settings, wanted in (({"l2": 1e-2}, True), ({"l2": 0.0}, False)):
        f = softmax(200, 60, 10, **settings)
        assert pick(f.at(f.zeros()))[2] == NewtonCG(kronecker=wanted)
