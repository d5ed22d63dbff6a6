"""More columns than rows: Newton systems of the order of the rows, and bounds that need no Hessian."""

from __future__ import annotations

import math

import pytest
import torch

from solvers import SOLVERS, Status, Stop, minimize
from solvers.core.decrement import exact_decrement, strongly_convex_decrement
from solvers.linalg.cholesky import DualFactor, factor
from solvers.objectives import LogisticRegression, SoftmaxRegression
from solvers.objectives.newton_system import newton_factor


def wide(n=30, d=200, dtype=torch.float64, **settings) -> LogisticRegression:
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return LogisticRegression(X.to(dtype), (torch.rand(n, generator=generator) < 0.5).to(dtype), **settings)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_system_of_the_rows_solves_that_of_the_columns(reduction):
    f = wide(l2=0.1, reduction=reduction)
    generator = torch.Generator().manual_seed(1)
    w, b = (torch.randn(200, generator=generator, dtype=torch.float64) for _ in range(2))
    point = f.at(w)
    found = newton_factor(point)
    assert isinstance(found, DualFactor) and "hessian" not in point.__dict__
    assert torch.allclose(found.solve(b), factor(point.hessian).solve(b), rtol=1e-9, atol=1e-11)
    assert torch.allclose(point.hessian @ found.solve(b), b, atol=1e-10)


def test_a_wide_problem_is_solved_without_a_hessian():
    result = minimize(SOLVERS["newton-cholesky"], wide(l2=1e-2), stop=Stop(1e-12))
    assert result.status == Status.CONVERGED and result.counters["hessians"] == 0
    assert float(wide(l2=1e-2).at(result.x).gradient.norm()) < 1e-9


@pytest.mark.parametrize(("dtype", "l2"), [(torch.float32, 1e-5), (torch.float64, 1e-14)])
def test_a_penalty_too_small_for_that_system_gets_its_hessian(dtype, l2):
    f = wide(dtype=dtype, l2=l2)
    point = f.at(f.zeros())
    assert point.dual is not None and not isinstance(newton_factor(point), DualFactor)


@pytest.mark.parametrize("settings", [{}, {"l2": 0.1, "fit_intercept": True}])
def test_what_is_not_penalised_has_no_system_of_the_rows(settings):
    f = wide(**settings)
    assert f.at(f.zeros()).dual is None


def test_tall_and_sparse_problems_keep_their_hessian(logistic):
    for f in (logistic(l2=0.1), LogisticRegression(wide().X.to_sparse_csr(), wide().y, l2=0.1)):
        assert f.at(f.zeros()).dual is None


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("kind", ["logistic", "softmax"])
def test_strong_convexity_bounds_the_decrement_from_above(logistic, scale, kind):
    f = logistic(l2=0.2)
    if kind == "softmax":
        f = SoftmaxRegression(f.X, f.y, classes=3, l2=0.2)
    w = scale * torch.randn(f.size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    point = f.at(w)
    assert float(torch.linalg.eigvalsh(point.hessian)[0]) >= f.strong_convexity * (1 - 1e-12) > 0
    assert exact_decrement(point).half <= strongly_convex_decrement(point) * (1 + 1e-9)


@pytest.mark.parametrize("settings", [{}, {"l2": 0.1, "fit_intercept": True}])
def test_without_a_penalty_on_every_coefficient_nothing_is_known(logistic, settings):
    f = logistic(**settings)
    assert math.isinf(strongly_convex_decrement(f.at(f.zeros())))


def test_a_run_that_proves_itself_by_its_gradient_assembles_no_hessian(logistic):
    f = logistic(4000, 40, l2=1e-3)
    result = minimize(SOLVERS["newton-cg"], f)
    assert result.status == Status.CONVERGED and result.bound == "norm of the gradient and strong convexity"
    assert result.counters["hessians"] == 0
    assert result.value - minimize(SOLVERS["newton-cholesky"], f, stop=Stop(0.0)).value <= result.gap_bound


def test_what_rounding_may_hide_counts_against_that_proof(logistic, monkeypatch):
    f = logistic(l2=0.1)
    monkeypatch.setattr(type(f.at(f.zeros())), "rounding_gap", lambda point: 1.0)
    assert minimize(SOLVERS["newton-cg"], f).status != Status.CONVERGED


@pytest.mark.parametrize(("dtype", "large"), [(torch.float32, 2.0**24), (torch.float64, 2.0**54)])
def test_a_gradient_that_rounds_to_zero_proves_nothing(dtype, large, without_numba):
    """B, 1, B with labels 1, 1, 0: the second row's pull is lost beside the others, and f at 0 is not the minimum."""
    X = torch.tensor([[large, large], [1.0, 0.0], [large, large]], dtype=dtype)
    f = LogisticRegression(X, torch.tensor([1.0, 1.0, 0.0], dtype=dtype), l2=1e-6)
    start = f.at(f.zeros())
    assert strongly_convex_decrement(start) == 0  # as it looks
    assert strongly_convex_decrement(start, start.gradient_noise()) > 0.1  # as far as it is known
    result = minimize(SOLVERS["newton-cg"], f, stop=Stop(iterations=0))
    assert result.bound != "norm of the gradient and strong convexity"


def test_the_squares_of_a_small_gradient_do_not_vanish():
    f = LogisticRegression(torch.tensor([[1e-23], [2e-23]]), torch.ones(2), l2=1e-44)
    assert strongly_convex_decrement(f.at(f.zeros())) == pytest.approx(2.8e-3, rel=0.1)


def test_a_float32_column_of_noise_proves_nothing():
    """A column of mean 1e6 in float32: margins are noise, and a small gradient is no proof."""
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(200, 3, generator=generator) + torch.tensor([1e6, 0.0, 0.0])
    y = (torch.rand(200, generator=generator) < 0.5).float()
    f = LogisticRegression(X, y, l2=1e-4)
    exact = LogisticRegression(X.double(), y, l2=1e-4)
    best = minimize(SOLVERS["newton-cholesky"], exact, stop=Stop(0.0)).value
    for name, solver in SOLVERS.items():
        result = minimize(solver, f, stop=Stop(1e-4, iterations=200))
        if result.status == Status.CONVERGED:
            assert float(exact.at(result.x.double()).value) - best <= 1e-3 * best, name


def test_a_sparse_matrix_without_columns_has_an_intercept_to_fit():
    X = torch.zeros(6, 0, dtype=torch.float64).to_sparse_csr()
    result = minimize(SOLVERS["auto"], LogisticRegression(X, torch.tensor([1.0, 0, 0, 0, 0, 0]), fit_intercept=True))
    assert result.status == Status.CONVERGED and float(result.x[0]) == pytest.approx(math.log(1 / 5), rel=1e-4)
