"""The objective in NumPy that SciPy is given: the same function as ours, dense and sparse, two classes and more."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from solvers import SOLVERS, Stop, minimize
from solvers.adapters import PEERS, numpy_objective
from solvers.adapters.base import rows_and_labels
from solvers.adapters.numpy_objective import NumPyLogistic, NumPySoftmax
from solvers.objectives import LogisticRegression, SoftmaxRegression

N, D, CLASSES = 70, 5, 4


def ours(model: str, csr: bool = False, dtype: torch.dtype = torch.float64, **settings):
    generator = torch.Generator().manual_seed(7)
    X = torch.randn(N, D, generator=generator, dtype=torch.float64)
    X = torch.where(torch.rand(N, D, generator=generator) < 0.5, X, 0.0) if csr else X
    X = (X.to_sparse_csr() if csr else X).to(dtype)
    if model == "softmax":
        return SoftmaxRegression(X, torch.arange(N) % CLASSES, CLASSES, **settings)
    return LogisticRegression(X, (torch.arange(N) % 2).to(dtype), **settings)


def theirs(f):
    X, y = rows_and_labels(f)
    if isinstance(f, SoftmaxRegression):
        return NumPySoftmax(X, y, f.l2, f.scale, f.fit_intercept, f.classes)
    return NumPyLogistic(X, y, f.l2, f.scale, f.fit_intercept)


def places(f) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(8)
    return tuple(torch.randn(f.size, generator=generator, dtype=torch.float64) for _ in range(2))


@pytest.mark.parametrize("model", ["binary", "softmax"])
@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("settings", [{"l2": 0.3}, {"l2": 0.3, "fit_intercept": True, "reduction": "sum"}, {}])
def test_value_and_derivatives_are_ours(monkeypatch, model, csr, settings):
    monkeypatch.setattr(numpy_objective, "ROWS", 32)  # blocks of rows, the last one shorter
    f = ours(model, csr, **settings)
    written, (w, v) = theirs(f), places(f)
    point = f.at(w)
    value, gradient = written(w.numpy())
    assert value == pytest.approx(float(point.value), rel=1e-12)
    np.testing.assert_allclose(gradient, point.gradient, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(written.product(w.numpy(), v.numpy()), point.hvp(v), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(written.hessian(w.numpy()), point.hessian, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("model", ["binary", "softmax"])
def test_a_product_is_of_the_w_that_is_asked_for_and_not_of_the_last(model):
    f = ours(model, l2=0.1)
    written, (w, v) = theirs(f), places(f)
    written(2 * w.numpy())
    np.testing.assert_allclose(written.product(w.numpy(), v.numpy()), f.at(w).hvp(v), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("model", ["binary", "softmax"])
def test_an_evaluation_multiplies_by_the_data_twice_and_its_curvature_is_cached(model):
    written = theirs(ours(model, l2=0.1))
    products = []

    class Counting(np.ndarray):
        def __matmul__(self, other):
            products.append(1)
            return np.asarray(self) @ np.asarray(other)

    written.X = written.X.view(Counting)
    w = np.ones(len(written.penalty))
    written(w)
    assert len(products) == 2  # X w and X^T r
    written.product(w, w)
    assert len(products) == 4


@pytest.mark.parametrize("model", ["binary", "softmax"])
@pytest.mark.parametrize("size", [1e3, 1e6])
def test_far_from_the_minimum_nothing_overflows_and_no_loss_is_lost(model, size):
    f = ours(model)
    written, (w, _) = theirs(f), places(f)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        value, gradient = written(size * w.numpy())
    assert value == pytest.approx(float(f.at(size * w).value), rel=1e-12) and np.isfinite(gradient).all()


def test_the_loss_of_a_row_that_is_far_on_its_side_keeps_its_digits():
    X, y = np.array([[40.0]]), np.array([1.0])
    value, gradient = NumPyLogistic(X, y, 0.0, 1.0, False)(np.ones(1))
    assert value == pytest.approx(np.exp(-40.0), rel=1e-12) and gradient[0] == pytest.approx(-40 * np.exp(-40.0))


def test_products_with_float32_data_are_in_float32_and_scipys_vectors_in_float64():
    written = theirs(ours("binary", dtype=torch.float32, l2=0.1))
    assert written.X.dtype == np.float32 and written(np.ones(D))[1].dtype == np.float64


@pytest.mark.parametrize("name", ["scipy-numpy:Newton-CG", "scipy-numpy:trust-exact", "torch-autograd:LBFGS"])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("csr", [False, True])
def test_softmax_is_fitted_to_our_minimum(name, intercept, csr):
    f = ours("softmax", csr, l2=0.05, fit_intercept=intercept)
    claim = PEERS[name].prepare(f)(1e-8)
    best = minimize(SOLVERS["newton-cholesky"], f, stop=Stop(gap_tolerance=0.0)).value
    assert claim.w.shape == (f.size,) and float(f.at(claim.w).value) == pytest.approx(best, rel=1e-8)


def test_a_user_with_soft_labels_or_another_start_is_told_so():
    f = LogisticRegression(torch.eye(3), torch.tensor([0.0, 0.5, 1.0]), l2=1.0)
    with pytest.raises(ValueError, match="labels 0 and 1"):
        PEERS["scipy-numpy:BFGS"].prepare(f)
    with pytest.raises(ValueError, match="starts from 0"):
        PEERS["torch-autograd:LBFGS"].prepare(f, torch.ones(3))
