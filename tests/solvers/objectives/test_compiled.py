"""The compiled kernels give what torch gives, to rounding; and without Numba nothing else changes."""

from __future__ import annotations

import math
from importlib.util import find_spec
from itertools import product

import mpmath
import numpy as np
import pytest
import torch

from solvers import SOLVERS, Ledger, Status, Stop, minimize
from solvers.core.decrement import exact_decrement
from solvers.objectives import LogisticRegression
from solvers.objectives.linear import compiled_point
from solvers.objectives.linear.compiled_point import MOST_ENTRIES, MOST_ROWS, WIDEST, CompiledLogisticPoint
from solvers.objectives.newton_system import newton_direction, newton_factor, slope_along

pytestmark = pytest.mark.skipif(find_spec("numba") is None, reason="Numba is not installed: the extra `fast` brings it")
DIGITS = {torch.float64: 1e-12, torch.float32: 2e-5}
PROBLEMS = [{"l2": 1e-2}, {"l2": 0.0}, {"l2": 1e-2, "fit_intercept": True}, {"reduction": "sum", "l2": 0.1}]
SHAPES = [(1, 1), (2, 1), (15, 2), (16, 3), (40, 5), (33, 8), (398, 30)]


def data(n: int, d: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(n + d)
    X = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return X.to(dtype), torch.bernoulli(torch.sigmoid(X[:, 0]), generator=generator).to(dtype)


def both(monkeypatch, X, y, **options) -> tuple[LogisticRegression, LogisticRegression]:
    compiled = LogisticRegression(X, y, **options)
    assert compiled.columns is not None
    with monkeypatch.context() as patched:
        patched.setattr(compiled_point, "kernels", lambda: None)
        plain = LogisticRegression(X, y, **options)
    assert plain.columns is None
    return compiled, plain


@pytest.mark.parametrize("dtype", DIGITS, ids=str)
@pytest.mark.parametrize("options", PROBLEMS)
@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_everything_at_a_point_is_what_torch_gives(monkeypatch, n, d, options, dtype):
    compiled, plain = both(monkeypatch, *data(n, d, dtype), **options)
    w = torch.linspace(-1, 2, compiled.size, dtype=dtype)
    ours, theirs = compiled.at(w), plain.at(w)
    assert isinstance(ours, CompiledLogisticPoint) and not isinstance(theirs, CompiledLogisticPoint)
    close = {"rtol": DIGITS[dtype], "atol": DIGITS[dtype]}
    for name in ("value", "gradient", "hessian", "hessian_diagonal", "curvature", "error_probability", "margins"):
        found, expected = getattr(ours, name), getattr(theirs, name)
        assert found.dtype == dtype and found.shape == expected.shape, name
        torch.testing.assert_close(found, expected, **close, msg=lambda words, name=name: f"{name}: {words}")
    for name in ("float_value", "least_margin", "gradient_norm"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=DIGITS[dtype], abs=DIGITS[dtype]), name
    v = torch.linspace(1, -1, compiled.size, dtype=dtype)
    torch.testing.assert_close(ours.hvp(v), theirs.hvp(v), **close)
    mine, other = ours.along(v), theirs.along(v)
    torch.testing.assert_close(mine.third_derivative(), other.third_derivative(), **close)
    torch.testing.assert_close(mine.at(0.5).value, other.at(0.5).value, **close)


def test_the_elementary_functions_are_right_to_a_few_units_in_the_last_place():
    kernels = compiled_point.kernels()
    a = np.concatenate([[0.0, 1e-300, 1e-17, 0.34657, 0.34658, 0.88137, 0.88138], np.geomspace(1e-8, 700, 1999)])
    p, c = np.empty_like(a), np.empty_like(a)
    for i, number in enumerate(a):
        value, least = kernels.losses(a[i : i + 1], 1, p[i : i + 1], c[i : i + 1])
        assert least == number
        with mpmath.workdps(40):
            e = mpmath.exp(-mpmath.mpf(float(number)))
            for found, exact in ((value, mpmath.log1p(e)), (p[i], e / (1 + e)), (c[i], e / (1 + e) ** 2)):
                assert abs(found - exact) <= 8 * np.finfo(float).eps * exact, number


def test_margins_of_any_size_give_what_is_representable():
    kernels = compiled_point.kernels()
    for margin, loss, p in [
        (720.0, math.exp(-720), math.exp(-720)),
        (1e6, 0.0, 0.0),
        (math.inf, 0.0, 0.0),
        (-1e6, 1e6, 1.0),
        (-math.inf, math.inf, 1.0),
    ]:
        out = np.empty(2)
        value, least = kernels.losses(np.array([margin]), 1, out[:1], out[1:])
        assert least == margin
        assert value == pytest.approx(loss, rel=1e-9, abs=0) and out[0] == pytest.approx(p, rel=1e-9, abs=0)
    out = np.empty(2)
    value, _ = kernels.losses(np.array([math.nan]), 1, out[:1], out[1:])
    assert math.isnan(value) and np.isnan(out).all()


def test_the_sum_of_losses_loses_less_than_their_last_digits():
    margins = np.random.default_rng(0).normal(size=4001) * 10
    margins[:64] = -1e16  # beside which each of the others is less than a digit
    out = np.empty((2, 4001))
    value, _ = compiled_point.kernels().losses(margins, 4001, *out)
    terms = [compiled_point.kernels().losses(margins[i : i + 1], 1, *out[:, :1])[0] for i in range(4001)]
    assert abs(value - math.fsum(terms)) <= 2 * math.ulp(value)


@pytest.mark.parametrize("dtype", DIGITS, ids=str)
@pytest.mark.parametrize("before", [(), ("hessian",), ("gradient",)])
def test_the_newton_step_is_the_same_and_its_ray_evaluates_all_of_f(monkeypatch, before, dtype):
    compiled, plain = both(monkeypatch, *data(60, 6, dtype), l2=1e-2, fit_intercept=True)
    ours, theirs = (f.at(torch.full_like(f.zeros(), 0.1)) for f in (compiled, plain))
    for name in before:
        getattr(ours, name)
    close = {"rtol": 10 * DIGITS[dtype], "atol": 10 * DIGITS[dtype]}
    step = newton_direction(ours)
    torch.testing.assert_close(step, newton_direction(theirs), **close)
    torch.testing.assert_close(newton_factor(ours).lower, newton_factor(theirs).lower, **close)
    torch.testing.assert_close(newton_factor(ours).solve(step), newton_factor(theirs).solve(step), **close)
    assert slope_along(ours, step) == pytest.approx(float(ours.gradient @ step), rel=1e-5)
    for t in (1.0, 0.25, 1e-30):
        reached, fresh = ours.along(step).at(t), compiled.at(ours.x + t * step)
        for name in ("x", "value", "gradient", "hessian", "margins"):
            torch.testing.assert_close(getattr(reached, name), getattr(fresh, name), **close)
        assert reached.age == ours.age + 1


def test_a_hessian_without_a_factor_is_told():
    X, y = torch.zeros(5, 2, dtype=torch.float64), torch.tensor([0.0, 1, 0, 1, 1], dtype=torch.float64)
    point = LogisticRegression(X, y).at(torch.zeros(2, dtype=torch.float64))
    assert newton_direction(point) is None and newton_factor(point) is None


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_ends_at_the_same_minimum(monkeypatch, name):
    compiled, plain = both(monkeypatch, *data(80, 4, torch.float64), l2=1e-2)
    ours, theirs = (minimize(SOLVERS[name], f, stop=Stop(iterations=60)) for f in (compiled, plain))
    assert ours.status == theirs.status
    assert ours.value == pytest.approx(theirs.value, rel=1e-8)


def test_what_is_counted_does_not_depend_on_who_computes_it(monkeypatch):
    compiled, plain = both(monkeypatch, *data(300, 5, torch.float64), l2=1e-3)
    for name in ("newton", "newton-cholesky", "newton-chebyshev", "newton-levenberg", "lbfgs"):
        ours, theirs = (minimize(SOLVERS[name], f) for f in (compiled, plain))
        same = {k: v for k, v in ours.counters.items() if k not in ("margins",)}
        assert same == {k: theirs.counters[k] for k in same}, name


def test_with_a_clock_for_phases_the_factor_and_the_solution_are_timed_apart(monkeypatch):
    compiled, _ = both(monkeypatch, *data(300, 5, torch.float64), l2=1e-3)
    ticks = iter(range(10**6))
    ledger = Ledger(lambda: float(next(ticks)))
    assert minimize(SOLVERS["newton-cholesky"], compiled, ledger=ledger).status is Status.CONVERGED
    assert ledger.seconds["factorise"] > 0 and ledger.seconds["solve"] > 0 and ledger.seconds["hessian"] > 0


def test_the_certificate_rests_on_the_same_decrement(monkeypatch):
    for dtype, options in product(DIGITS, PROBLEMS):
        compiled, plain = both(monkeypatch, *data(200, 5, dtype), **options)
        x = minimize(SOLVERS["newton"], plain, stop=Stop(gap_tolerance=1e-3)).x
        ours, theirs = (exact_decrement(f.at(x)) for f in (compiled, plain))
        assert ours.half == pytest.approx(theirs.half, rel=1e-2)


@pytest.mark.parametrize("extreme", [1e-300, 1e300, float("inf"), float("nan")])
def test_numbers_at_the_ends_of_the_range_end_as_with_torch(monkeypatch, extreme):
    compiled, plain = both(monkeypatch, *data(20, 2, torch.float64), l2=1e-2)
    w = torch.tensor([extreme, -1.0], dtype=torch.float64)
    ours, theirs = compiled.at(w), plain.at(w)
    torch.testing.assert_close(ours.value, theirs.value, equal_nan=True)
    torch.testing.assert_close(ours.gradient, theirs.gradient, equal_nan=True)


def test_large_wide_sparse_and_fractional_problems_are_left_to_torch():
    X, y = data(20, 3, torch.float64)
    assert LogisticRegression(X, 0.3 + 0.4 * y).columns is None
    assert LogisticRegression(X.to_sparse_csr(), y).columns is None
    assert LogisticRegression(torch.ones(20, WIDEST + 1), y).columns is None
    for n, d in ((MOST_ROWS + 1, 1), (MOST_ENTRIES // WIDEST + 1, WIDEST)):
        assert LogisticRegression(torch.ones(n, d), torch.ones(n)).columns is None


def test_autograd_through_a_point_takes_the_plain_way():
    f = LogisticRegression(*data(20, 3, torch.float64), l2=0.1)
    w = torch.ones(3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(f.at(w).value, w)
    torch.testing.assert_close(gradient, f.at(w.detach()).gradient)


def test_values_have_the_rounding_of_one_sum_however_many_rows_there_are():
    """A search that must not let f rise compares values a few roundings apart; losses added in turn hide those."""
    X, y = data(5000, 2, torch.float64)
    f = LogisticRegression(X, y, reduction="sum")
    point = f.at(torch.ones(2, dtype=torch.float64))
    exact = math.fsum(math.log1p(math.exp(-abs(m))) - min(m, 0.0) for m in point.margins.tolist())
    assert abs(point.float_value - exact) <= 2 * math.ulp(exact)
