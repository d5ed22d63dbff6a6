"""What softmax regression says of its end is true in any units of the columns, and what logistic regression says."""

from __future__ import annotations

import pytest
import torch

from benchmarks.audit.reference import HighPrecisionSoftmax
from solvers import SOLVERS, Status, Stop, minimize
from solvers.objectives import LogisticRegression, SoftmaxRegression
from tests.solvers.helpers import normal

SOME = ["newton-cholesky", "newton-cg", "auto", "lbfgs", "trust-region-exact", "newton-damped", "newton-levenberg"]


def drawn(logits: torch.Tensor, seed: int) -> torch.Tensor:
    """Labels by the probabilities of the logits (n, K)."""
    uniform = torch.rand(logits.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (logits - (-uniform.log()).log()).argmax(1)


def units_beside_twins() -> SoftmaxRegression:
    """A column in small units beside two that nearly repeat each other, along whose difference f falls by a third."""
    a, b, z = (normal(40, 1, seed=seed) for seed in (1, 2, 3))
    return SoftmaxRegression(torch.cat([1e-10 * a, b, b + 1e-8 * z], 1), drawn(2 * z * torch.tensor([[-1.0, 1.0]]), 4))


def far_beside_small() -> SoftmaxRegression:
    X = normal(60, 2, seed=5)
    y = drawn(X @ normal(2, 4, seed=6), 7)
    return SoftmaxRegression((X * torch.tensor([1.0, 1e-9]) + torch.tensor([1e7, 0.0])).float(), y, fit_intercept=True)


def large_units_with_penalty() -> SoftmaxRegression:
    X = normal(50, 3, seed=8)
    return SoftmaxRegression(1e10 * X, drawn(2 * X @ normal(3, 3, seed=9), 10), l2=1e-3, fit_intercept=True)


def far_beside_tiny() -> SoftmaxRegression:
    X = normal(30, 2, seed=0) * torch.tensor([1.0, 1e-6]) + torch.tensor([1e6, 0.0])
    y = torch.randint(2, (30,), generator=torch.Generator().manual_seed(11))
    return SoftmaxRegression(X.float(), y, fit_intercept=True)


HARD = {
    make.__name__: make for make in (units_beside_twins, far_beside_small, large_units_with_penalty, far_beside_tiny)
}


@pytest.mark.parametrize("name", HARD)
def test_what_is_called_converged_is_there_in_any_units(name):
    problem = HARD[name]()
    exact, eps = HighPrecisionSoftmax(problem), torch.finfo(problem.X.dtype).eps
    assert exact.minimise() is not None
    wrong = {}
    for solver in SOME:
        found = minimize(SOLVERS[solver], problem, stop=Stop(iterations=200))
        allowed = 3 * (max(1e-10, 4 * eps) * found.value + eps**2 * float(problem.at(problem.zeros()).value))
        if found.status is Status.CONVERGED and not (gap := exact.gap(found.x)) <= allowed:
            wrong[solver] = f"gap {gap:.2g}, promised {allowed:.2g}, by {found.bound}"
        if found.status is Status.SEPARABLE:
            wrong[solver] = found.message
    assert not wrong


def test_units_of_the_columns_change_no_ending():
    """By powers of two, which round nothing but where a scale is tried in units of x."""
    X, y = normal(60, 3, seed=12), torch.randint(3, (60,), generator=torch.Generator().manual_seed(13))
    for settings in ({}, dict(fit_intercept=True)):
        plain = SoftmaxRegression(X, y, **settings)
        scaled = SoftmaxRegression(X * torch.tensor([2.0**40, 1.0, 2.0**-40]), y, **settings)
        for solver in ("newton-cholesky", "newton-damped", "trust-region-exact"):
            found, wanted = minimize(SOLVERS[solver], scaled), minimize(SOLVERS[solver], plain)
            assert found.status is wanted.status is Status.CONVERGED
            assert found.value == pytest.approx(wanted.value, rel=1e-9)


def test_margins_that_rounding_made_separate_nothing():
    """Six rows a few units of rounding apart, near 2^27: in exact arithmetic they overlap."""
    ulp = 2.0**-25
    X = 2.0**27 + ulp * torch.tensor([[0.0], [1], [2], [3], [4], [5]], dtype=torch.float64)
    problem = SoftmaxRegression(X, torch.tensor([0, 1, 0, 1, 0, 1]), fit_intercept=True)
    point = problem.at(problem.zeros())
    w = torch.tensor([-3e7, 4e15, 3e7, -4e15], dtype=torch.float64)
    point = point.along(w).at(1.0)
    point.margins = torch.full((6, 2), -1.0, dtype=torch.float64).scatter(1, problem._own, 0.0)  # as if carried so far
    assert problem.no_minimiser(point) is None
    for solver in SOME:
        assert minimize(SOLVERS[solver], problem, stop=Stop(iterations=100)).status is not Status.SEPARABLE


def test_short_rows_that_hold_long_ones_are_not_overlooked():
    for seed in (13, 53, 213):
        generator = torch.Generator().manual_seed(seed)
        rows = torch.randn(16, 2, generator=generator, dtype=torch.float64)
        X = rows * 10 ** (10 * torch.rand(16, 1, generator=generator, dtype=torch.float64) - 5)
        z = X @ torch.randn(2, generator=generator, dtype=torch.float64)
        noise = torch.randn(16, generator=generator, dtype=torch.float64)
        y = (z / z.abs().median() + noise > 0).long()
        for dtype in (torch.float64, torch.float32):
            problem = SoftmaxRegression(X.to(dtype), y, fit_intercept=True)
            for solver in ("newton-cholesky", "newton-cg"):
                found = minimize(SOLVERS[solver], problem, stop=Stop(iterations=200))
                assert found.status is not Status.SEPARABLE, (seed, dtype, solver)


@pytest.mark.parametrize("penalty", [0.0, 1e-3])
def test_what_is_common_to_all_classes_stays_where_it_began(penalty):
    """It ran to 2e10, and took the last digits of f along."""
    X, y = normal(40, 2, seed=14) + 100, torch.randint(3, (40,), generator=torch.Generator().manual_seed(15))
    problem = SoftmaxRegression(X, y, l2=penalty, fit_intercept=True)
    start = normal(problem.size, seed=16)
    for solver in SOLVERS:
        x = minimize(SOLVERS[solver], problem, start, Stop(iterations=40)).x
        common = problem.rows(x - start).mean(0)[-1 if penalty else slice(None)]
        assert float(common.abs().max()) <= 1e-12 * float(x.abs().max() + start.abs().max()), solver


def test_a_constant_added_to_all_classes_takes_no_digits_of_f():
    problem = SoftmaxRegression(normal(30, 3, seed=17), torch.arange(30) % 3, fit_intercept=True)
    w = normal(12, seed=18)
    away = w + (2.0**30 * torch.ones(4, dtype=torch.float64)).repeat(3)
    back = away - (2.0**30 * torch.ones(4, dtype=torch.float64)).repeat(3)  # what rounding left of w
    assert float(problem.at(away).value) == pytest.approx(float(problem.at(back).value), rel=1e-14)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_two_classes_and_logistic_regression_never_contradict_each_other(dtype):
    """Over units, far columns, twins and rows of all lengths, with a penalty and without."""
    eps, top = torch.finfo(dtype).eps, 8 if dtype == torch.float32 else 14
    said, wrong = set(), []
    for seed in range(60):
        generator = torch.Generator().manual_seed(seed)
        X = torch.randn(24, 3, generator=generator, dtype=torch.float64)
        exponents = top * torch.rand(27, generator=generator, dtype=torch.float64) - top / 2
        kind = ("plain", "units", "far", "twins", "lengths", "far units")[seed % 6]
        X[:, 0] += 10 ** exponents[0].abs() if "far" in kind else 0.0
        X = X * 10 ** exponents[:3] if "units" in kind else X
        X[:, 2] = X[:, 1] + 10 ** -exponents[0].abs() * X[:, 2] if kind == "twins" else X[:, 2]
        X = X * 10 ** exponents[3:].unsqueeze(1) if kind == "lengths" else X
        y = (X[:, 1] / X[:, 1].abs().median() + torch.randn(24, generator=generator) > 0).long()
        settings = dict(fit_intercept=seed % 2 == 0, reduction=("mean", "sum")[seed % 3 == 0])
        l2 = 0.0 if seed % 5 else 1e-3
        softmax = SoftmaxRegression(X.to(dtype), y, classes=2, l2=2 * l2, **settings)
        logistic = LogisticRegression(X.to(dtype), y, l2=l2, **settings)
        for solver in ("newton-cholesky", "newton-cg"):
            ends = [minimize(SOLVERS[solver], f, stop=Stop(iterations=100)) for f in (softmax, logistic)]
            said |= {end.status for end in ends}
            first = float(logistic.at(logistic.zeros()).value)
            if {end.status for end in ends} == {Status.CONVERGED, Status.SEPARABLE}:
                wrong.append((seed, kind, solver, [end.message for end in ends]))
            if all(end.status is Status.CONVERGED for end in ends):
                double = X.to(dtype).double()
                values = [
                    float(f.over(double).at(end.x.double()).value)
                    for f, end in zip((softmax, logistic), ends, strict=True)
                ]
                allowed = 6 * (max(1e-10, 4 * eps) * values[1] + eps**2 * first)
                if abs(values[0] - values[1]) > allowed + 1e-8 * values[1]:  # in which x is large and f rounded
                    wrong.append((seed, kind, solver, values))
    assert not wrong and {Status.CONVERGED, Status.SEPARABLE} <= said
