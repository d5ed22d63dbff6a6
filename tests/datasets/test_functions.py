"""Test functions: their published numbers, their derivatives, and what each is said to be."""

from __future__ import annotations

import math

import mpmath
import pytest
import torch

from benchmarks.runner.measure import Measurement, evaluate, measure
from benchmarks.runner.suites import SUITES, Case
from datasets import FUNCTIONS, NIST, PROBLEMS, build, certificate
from solvers import SOLVERS, GradientDescent, Newton, Status, Stop, minimize
from solvers.objectives import FunctionObjective, LeastSquares
from solvers.objectives.taylor_check import check_derivatives
from tests.exact import newton_step, sum_of_squares

BY_NAME = {function.name: function for function in FUNCTIONS}
SQUARES = [name for name in BY_NAME if name.startswith("mgh-")]

# |r| at the start, as the MINPACK test drivers of the same authors print it.
NORMS = {
    "rosenbrock": 4.919350,
    "powell-singular": 14.66288,
    "freudenstein-roth": 20.01250,
    "helical-valley": 50.0,
    "bard": 6.456136,
    "kowalik-osborne": 0.07289151,
    "meyer": 41153.47,
    "watson": 5.477226,
    "box": 32.11158,
    "jennrich-sampson": 64.58561,
    "brown-dennis": 2815.438,
    "chebyquad": 0.1965139,
    "brown-almost-linear": 16.53022,
    "osborne": 0.9375640,
}
# The minima in the article; 0 for the others.
PUBLISHED = {
    "jennrich-sampson": 124.362,
    "bard": 8.21487e-3,
    "gaussian": 1.12793e-8,
    "meyer": 87.9458,
    "kowalik-osborne": 3.07505e-4,
    "brown-dennis": 85822.2,
    "osborne": 5.46489e-5,
    "watson": 2.28767e-3,
    "penalty-one": 2.24997e-5,
    "penalty-two": 9.37629e-6,
    "linear-full-rank": 10.0,
    "linear-rank-one": 20 * 19 / (2 * 41),
    "chebyquad": 3.51687e-3,
}
LOCAL = {"freudenstein-roth": 48.9842, "biggs": 5.65565e-3, "trigonometric": 2.79506e-5, "brown-almost-linear": 1.0}


def at_start(name: str):
    problem = build(name)
    return problem.objective.at(problem.x0)


@pytest.mark.parametrize("name", NORMS)
def test_the_residuals_at_the_start_have_the_published_norm(name):
    assert float(at_start("mgh-" + name).residuals.norm()) == pytest.approx(NORMS[name], rel=1e-6)


def test_the_minima_are_the_published_ones():
    found = {name.removeprefix("mgh-"): BY_NAME[name].minimum for name in SQUARES}
    assert {name for name, value in found.items() if value} == set(PUBLISHED)
    for name, value in PUBLISHED.items():  # the article cuts some digits off, and rounds others
        assert found[name] == pytest.approx(value, rel=1.2e-5)
    others = {name.removeprefix("mgh-"): BY_NAME[name].others for name in SQUARES if BY_NAME[name].others}
    assert {name: pytest.approx(value, rel=1.2e-5) for name, (value,) in others.items()} == LOCAL


@pytest.mark.parametrize("name", SQUARES)
def test_the_minimum_is_taken_at_the_minimiser_to_the_last_digit(name):
    function = BY_NAME[name]
    value = sum_of_squares(function.f, list(function.minimiser))
    if function.minimum == 0:
        assert value < 1e-29
        return
    assert float(value) == pytest.approx(function.minimum, rel=4e-16)
    if name != "mgh-linear-rank-one":  # its Hessian is singular
        _, gain = newton_step(lambda x: sum_of_squares(function.f, x), list(function.minimiser))
        assert 0 <= gain < mpmath.mpf(1e-18) * value


@pytest.mark.parametrize("name", BY_NAME)
def test_derivatives_at_the_start_and_the_values_at_both_ends(name):
    problem = build(name)
    f, known = problem.objective, certificate(name)
    end = f.at(problem.x0.new_tensor(problem.published.minimiser))
    assert float(end.value) == pytest.approx(known.optimum, rel=1e-11, abs=1e-28)
    assert known.no_gap == "" and float(f.at(problem.x0).value) > known.optimum
    scale = 1 + float(torch.linalg.matrix_norm(end.hessian)) * float(end.x.norm())
    assert float(end.gradient.norm()) <= 1e-13 * scale
    assert float(torch.linalg.eigvalsh(end.hessian)[0]) >= -1e-13 * scale

    x = problem.x0 + 0.3 * (name in ("saddle-start", "quadratic"))  # f or its slope is nearly 0 there
    here, reach = f.at(x), (lambda v: 0.01) if name == "log-barrier" else None
    (checked,) = check_derivatives(f, x, reach=reach)
    assert checked.passed, checked
    if isinstance(f, LeastSquares):
        plain = FunctionObjective(lambda x: f.residuals(x).square().sum()).at(x)
        v = torch.ones_like(x)
        size = float(plain.hessian.abs().max())
        assert torch.allclose(here.hessian, plain.hessian, rtol=1e-11, atol=1e-13 * size)
        assert torch.allclose(here.hvp(v), plain.hessian @ v, rtol=1e-11, atol=1e-12 * size)
        assert torch.allclose(2 * here.jacobian.T @ here.residuals, here.gradient, rtol=1e-9, atol=1e-13 * size)


def test_a_problem_is_built_in_float32_too():
    for name in BY_NAME:
        point = at_start(name)
        single = build(name, torch.float32)
        assert single.objective.at(single.x0).value.dtype == torch.float32
        assert float(single.objective.at(single.x0).value) == pytest.approx(float(point.value), rel=2e-4)


# --- each is what its name says


def test_the_quadratic_is_solved_by_one_newton_step():
    problem = build("quadratic")
    result = minimize(Newton(0.0), problem.objective, problem.x0, Stop(None, iterations=1))
    assert result.x.tolist() == pytest.approx(problem.published.minimiser, rel=1e-13)


@pytest.mark.parametrize("name", ["saddle-start", "indefinite-start", "hard-case"])
def test_the_hessian_at_the_start_is_indefinite(name):
    values = torch.linalg.eigvalsh(at_start(name).hessian)
    assert float(values[0]) < -0.5 and float(values[-1]) > 0.5


def test_the_saddle_start_is_beside_a_saddle():
    start = at_start("saddle-start")
    assert 0 < float(start.gradient.norm()) < 2e-3
    assert not build("saddle-start").objective.at(torch.zeros(2, dtype=torch.float64)).gradient.any()


def test_the_hard_case_is_one():
    """g is orthogonal to the least eigenvector v, and stays so: no Newton step leaves the space where x is odd."""
    problem = build("hard-case")
    start = at_start("hard-case")
    values, vectors = torch.linalg.eigh(start.hessian)
    assert abs(float(vectors[:, 0] @ start.gradient)) < 1e-14 * float(start.gradient.norm())
    assert float(start.gradient.norm()) > 0.01 and float(values[1] - values[0]) > 0.1
    # Trust regions: at lambda = -least the minimal solution is shorter than any large radius.
    p = -torch.linalg.pinv(start.hessian - values[0] * torch.eye(10), rtol=1e-10) @ start.gradient
    assert float(p.norm()) < 10
    result = minimize(SOLVERS["newton-cholesky"], problem.objective, problem.x0)
    assert result.status != Status.CONVERGED
    assert torch.allclose(result.x, -result.x.flip(0), atol=1e-9)
    assert float(torch.linalg.eigvalsh(problem.objective.at(result.x).hessian)[0]) < -0.1


def test_the_flat_valley_is_zero_along_a_parabola():
    f = build("flat-valley").objective
    for t in (-2.0, 0.0, 0.5, 3.0):
        point = f.at(torch.tensor([t, t**2], dtype=torch.float64))
        least, most = torch.linalg.eigvalsh(point.hessian).tolist()
        assert float(point.value) == 0 and abs(least) < 1e-14 and most >= 2


def test_the_log_barrier_is_infinite_outside_its_cube_and_a_line_search_stays_inside():
    problem = build("log-barrier")
    for x in (torch.tensor([0.0, 1, 0, 0, 0]), torch.tensor([0.0, 0, -3, 0, 0])):
        assert float(problem.objective.at(x.double()).value) == math.inf
    rising = minimize(GradientDescent(0.5), problem.objective, problem.x0)
    assert rising.status == Status.DIVERGED
    assert minimize(SOLVERS["newton-cholesky"], problem.objective, problem.x0).status == Status.CONVERGED


# --- measured


def test_a_run_that_ends_at_a_known_local_minimum_says_so_and_its_gap_is_to_the_lowest():
    rows = evaluate(measure(Case("mgh-freudenstein-roth", "newton-cholesky")))
    end = rows[-1]
    assert end["status"] == "converged" and end["local_minimum"] == pytest.approx(48.9842, rel=1e-5)
    assert end["gap"] == end["value"] and end["no_gap"] == "" and math.isnan(end["test_loss"])
    other = evaluate(measure(Case("mgh-rosenbrock", "newton-cholesky")))[-1]
    assert other["gap"] == 0 and math.isnan(other["local_minimum"])


def test_functions_have_a_suite_of_their_own_and_are_in_no_other():
    own = {"functions": set(BY_NAME), "nist": {function.name for function in NIST}}
    for name, suite in SUITES.items():
        named = {case.problem for case in suite()}
        assert named == own[name] <= set(PROBLEMS) if name in own else not named & set().union(*own.values())


def test_a_run_that_raised_on_a_function_is_one_row():
    (row,) = evaluate(Measurement(Case("mgh-beale", "newton"), 0, None, "no"))
    assert row["status"] == "error" and row["no_gap"] == ""
