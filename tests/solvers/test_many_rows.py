"""What is done otherwise where there are many rows: values from products, the start, the proof from a part of them."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import softplus

from datasets.certificates.separation import OVERLAPPING, separation
from solvers import SOLVERS, Status, Stop, minimize
from solvers.common.instrumentation import COUNTERS, Ledger, current
from solvers.objectives import LogisticRegression
from solvers.objectives.linear.logistic_point import sum_of_log_sigmoids
from tests.solvers.helpers import normal

n, d = 70_000, 3  # past every threshold, in both precisions
DTYPES = [torch.float64, torch.float32]


def tall(flips: float, l2: float = 0.0, intercept: bool = False, csr: bool = False) -> LogisticRegression:
    """Labels by the sign of a margin, of which a share is flipped: with none the classes are separable."""
    X = normal(n, d)
    y = (X @ torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64) > 0).double()
    turned = torch.rand(n, generator=torch.Generator().manual_seed(1)) < flips
    y[turned] = 1 - y[turned]
    return LogisticRegression(X.to_sparse_csr() if csr else X, y, l2=l2, fit_intercept=intercept)


MARGINS = {
    "usual": 2 * normal(n),
    "odd number": 2 * normal(n - 1)[: 2**15 + 7],
    "one far wrong": torch.cat([normal(n), torch.tensor([-300.0], dtype=torch.float64)]),
    "all far wrong": -50 + normal(n),
    "nearly certain": 12 + normal(n),
    "alike": torch.full((n,), 1.49768, dtype=torch.float64),  # a loss just above PLAIN_LOSS, roundings all the same
    "one number": torch.full((1,), 0.3, dtype=torch.float64).expand(n),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MARGINS)
def test_the_sum_of_log_sigmoids_is_as_exact_as_its_terms(name, dtype):
    m = MARGINS[name].to(dtype)
    exact = -softplus(-m.double()).sum()
    found = sum_of_log_sigmoids(m, torch.empty_like(m))
    assert abs(float(found) / float(exact) - 1) <= 8 * torch.finfo(dtype).eps
    assert abs(float(sum_of_log_sigmoids(m, None)) / float(exact) - 1) <= 8 * torch.finfo(dtype).eps


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
def test_at_zero_nothing_is_computed_from_the_data_that_is_known_before(intercept, csr):
    f = tall(flips=0.1, l2=0.01, intercept=intercept, csr=csr)
    start, plain = f.at(f.zeros()), f.at(torch.full_like(f.zeros(), 1e-300))
    ledger = Ledger()
    token = current.set(ledger)
    try:
        values = start.value, start.gradient, start.curvature, start.hessian_diagonal, start.hvp(f.zeros() + 1)
    finally:
        current.reset(token)
    assert dict(zip(COUNTERS, ledger.snapshot(), strict=True))["margins"] == 0
    expected = plain.value, plain.gradient, plain.curvature, plain.hessian_diagonal, plain.hvp(f.zeros() + 1)
    for found, wanted in zip(values, expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-15)
    if not csr:
        torch.testing.assert_close(start.hessian, plain.hessian, rtol=1e-12, atol=1e-15)
    step = normal(f.size, seed=3)
    ray, same = start.along(step), plain.along(step)
    torch.testing.assert_close(ray.at(0.5).gradient, same.at(0.5).gradient, rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(ray.third_derivative(), same.third_derivative(), rtol=1e-12, atol=1e-15)


def test_autograd_sees_through_the_start():
    f = tall(flips=0.1)
    x = f.zeros().requires_grad_()
    (slope,) = torch.autograd.grad(f.at(x).value, x)
    torch.testing.assert_close(slope, f.at(f.zeros()).gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("flips", [0.0, 0.0005, 0.01, 0.1])
def test_a_part_of_the_rows_proves_a_minimiser_only_where_a_linear_program_finds_the_classes_to_overlap(flips, dtype):
    problem = tall(flips)
    f = LogisticRegression(problem.X.to(dtype), problem.y)
    path = minimize(SOLVERS["newton-cholesky"], f, stop=Stop(iterations=30, stop_when_separable=False)).trace.iterates
    held = [f.at(x).has_minimiser() for x in path]
    overlapping = separation(LogisticRegression(problem.X[::16], problem.y[::16])).classes == OVERLAPPING
    assert overlapping or not any(held)
    if flips >= (0.01 if dtype == torch.float64 else 0.1):  # with fewer, curvatures are too small for its rounding
        assert overlapping
        assert held[-1]


@pytest.mark.parametrize("column", ["of zeros", "that repeats another"])
def test_a_direction_that_the_part_does_not_see_leaves_it_without_proof(column):
    X = normal(n, d)
    X[:, 2] = 0.0 if column == "of zeros" else X[:, 0]
    X[1::16, 2] += 1.0  # in one class only: f falls for ever along it
    y = (X[:, 0] + 0.5 * normal(n, seed=5) > 0).double()
    y[1::16] = 1.0
    f = LogisticRegression(X, y)
    assert not any(f.at(x).has_minimiser() for x in minimize(SOLVERS["newton-cholesky"], f).trace.iterates)
    for name in ("newton-sampled", "lbfgs"):
        run = minimize(SOLVERS[name], f, stop=Stop(gap_tolerance=None, gradient_tolerance=1e-4))
        assert run.status is not Status.CONVERGED


def test_a_label_that_is_a_probability_is_held_by_itself_and_proves_nothing_of_others():
    f = tall(flips=0.1)
    assert not LogisticRegression(f.X, 0.9 * f.y).at(f.zeros()).has_minimiser()


def test_columns_that_half_of_the_digits_cannot_tell_apart_prove_nothing():
    """They overlap in the part, by 1e-9: in all rows by as much, or not, as rounding has it."""
    f = tall(flips=0.1)
    X = torch.cat([f.X, f.X[:, :1] + 1e-9 * normal(n, 1, seed=7)], dim=1)
    x = minimize(SOLVERS["newton-cholesky"], f).x
    assert f.at(x).has_minimiser()
    assert not LogisticRegression(X, f.y).at(torch.cat([x, x[:1] * 0])).has_minimiser()


@pytest.mark.parametrize(("size", "far"), [(1e10, 55), (1e12, 60)])
def test_a_slope_that_rounding_hides_is_not_taken_for_none(size, far):
    """Two columns differ in one row alone: f falls for ever along their difference. Far along it the slope is lost
    beside the others', and the curvature is not."""
    f = tall(flips=0.1)
    X, y = torch.cat([f.X[:, :2], f.X[:, :1]], dim=1), f.y.clone()
    X[0, 2] += size
    y[0] = 1.0
    w = minimize(SOLVERS["newton-cholesky"], LogisticRegression(f.X[:, :2], y)).x
    x = torch.cat([w, w[:1] * 0]) + far / size * torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    assert not LogisticRegression(X, y).at(x).has_minimiser()


@pytest.mark.parametrize("soft", [False, True])
def test_what_a_drift_of_the_margins_changes_is_told_from_vectors_of_their_own(soft):
    """To first order sum_i slope_i e_i, to second at most 1/2 sum_i p_i e_i^2; with soft labels, their curvatures."""
    f, e = tall(flips=0.1), 1e-3 * normal(n, seed=4)
    f = LogisticRegression(f.X, 0.1 + 0.8 * f.y if soft else f.y)
    point = f.at(f.zeros() + 0.3)
    first, second = point.change(e)  # before anything else was asked of the point
    assert abs(first) == pytest.approx(abs(float(point.residuals @ (e * f.signs))) / n, rel=1e-9)
    weights = point.curvature if soft else point.error_probability
    assert second == pytest.approx(0.5 * float(weights @ e.square()) / n, rel=1e-9)


def test_directions_that_autograd_follows_leave_the_shared_vector_alone():
    f = tall(flips=0.1, l2=0.01)
    point, v = f.at(f.zeros() + 0.1), (f.zeros() + 1).requires_grad_()
    ray = point.along(v)
    ray.with_added_direction(f.zeros() + 1, -0.5)
    (slope,) = torch.autograd.grad(ray.third_derivative().sum(), v)
    assert bool(slope.isfinite().all())
    assert not point.scratch.requires_grad
    torch.testing.assert_close(point.value, f.at(point.x).value)


def test_with_the_proof_a_gradient_is_enough_and_no_hessian_of_all_rows_is_formed():
    f = tall(flips=0.1)
    run = minimize(SOLVERS["lbfgs"], f, stop=Stop(gap_tolerance=None, gradient_tolerance=1e-5))
    assert run.status is Status.CONVERGED
    assert run.counters["hessians"] == 0
    assert run.counters["sample_hessians"] == 1
