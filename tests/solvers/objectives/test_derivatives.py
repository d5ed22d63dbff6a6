"""The closed forms are the derivatives of the textbook formula, and keep their digits where that one does not."""

from __future__ import annotations

from itertools import product

import mpmath
import pytest
import torch
from torch.func import grad, hessian, jvp

from solvers.linalg import kernels
from solvers.objectives import FunctionObjective, LogisticRegression
from solvers.objectives.base import Ray
from solvers.objectives.taylor_check import check_derivatives

CASES = [
    pytest.param(
        dict(reduction=reduction, l2=l2, fit_intercept=intercept, soft=soft, csr=csr),
        id=f"{reduction}-l2={l2}-{'intercept-' * intercept}{'soft' if soft else 'binary'}-{'csr' if csr else 'dense'}",
    )
    for reduction, l2, intercept, soft, csr in product(
        ("mean", "sum"), (0.0, 0.3), (False, True), (False, True), (False, True)
    )
]
MARGINS = [sign * m for m in (1e-3, 0.3, 1, 5, 19.9, 20.1, 36, 80, 300, 700, 800) for sign in (1, -1)]


def textbook(problem: LogisticRegression):
    """The same loss as plain operations, for torch.func; exact enough at small margins only."""
    X = problem.X.to_dense()

    def f(w):
        coefficients = w[:-1] if problem.fit_intercept else w
        p = torch.sigmoid(X @ coefficients + (w[-1] if problem.fit_intercept else 0.0))
        losses = -(problem.y * p.log() + (1 - problem.y) * (1 - p).log())
        loss = losses.mean() if problem.reduction == "mean" else losses.sum()
        return loss + problem.l2 / 2 * (coefficients @ coefficients)

    return f


def somewhere(size: int, seed: int = 1) -> torch.Tensor:
    return 0.5 * torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def agree(a: torch.Tensor, b: torch.Tensor, relative: float) -> None:
    assert a.shape == b.shape
    assert float((a - b).abs().max()) <= relative * float(b.abs().max())


@pytest.mark.parametrize("case", CASES)
def test_closed_forms_are_what_autograd_and_differences_find(logistic, case):
    problem = logistic(**case)
    f, w, v = textbook(problem), somewhere(problem.size), somewhere(problem.size, seed=2)
    point, H = problem.at(w), hessian(f)(w)
    agree(point.value, f(w), 1e-12)
    agree(point.gradient, grad(f)(w), 1e-12)
    agree(point.hessian, H, 1e-12)
    agree(point.hessian, point.hessian.T, 1e-15)
    agree(point.hessian_diagonal, H.diagonal(), 1e-12)
    agree(point.hvp(v), H @ v, 1e-12)
    turned = jvp(hessian(f), (w,), (v,))[1] @ v
    agree(point.along(v).third_derivative(), turned, 1e-12)
    agree(Ray(point, v).third_derivative(), turned, 1e-6)  # the difference that any objective has
    assert all(found.passed for found in check_derivatives(problem, w, f))  # Taylor remainders of order 2 and 3, too


@pytest.mark.parametrize("case", CASES)
def test_a_point_reached_along_rays_equals_a_fresh_one(logistic, case):
    problem = logistic(**case)
    walked = problem.at(somewhere(problem.size))
    for seed in range(25):  # beyond the step at which margins are refreshed
        walked = walked.along(somewhere(problem.size, seed=seed)).at(0.25)
        fresh = problem.at(walked.x)
        agree(walked.value, fresh.value, 1e-13)
        agree(walked.gradient, fresh.gradient, 1e-12)
        agree(walked.hessian, fresh.hessian, 1e-12)


def test_the_rounding_of_a_long_way_out_and_back_is_forgotten(logistic):
    problem = logistic()
    walked, v = problem.at(problem.zeros()), somewhere(problem.size)
    walked = walked.along(v).at(1e9).along(-v).at(3e8).along(-v).at(7e8)  # in two: one leg may undo the other exactly
    assert not torch.allclose(walked.gradient, problem.at(walked.x).gradient, rtol=1e-9, atol=0)  # carried along
    for _ in range(20):
        walked = walked.along(v).at(0.01)
    agree(walked.gradient, problem.at(walked.x).gradient, 1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("margin", MARGINS)
def test_no_digits_are_lost_at_any_margin(margin, label, dtype):
    """One row x = 1: then f is its loss, the gradient its residual p - y, the Hessian its curvature p (1 - p)."""
    problem = LogisticRegression(torch.ones(1, 1, dtype=dtype), torch.tensor([label]), reduction="sum")
    point = problem.at(torch.tensor([margin], dtype=dtype))
    with mpmath.workdps(50):
        m = (2 * label - 1) * mpmath.mpf(float(point.x))
        miss, hit = 1 / (1 + mpmath.exp(m)), 1 / (1 + mpmath.exp(-m))
        wanted = (mpmath.log1p(mpmath.exp(-m)), (1 - 2 * label) * miss, miss * hit)
        for found, exact in zip((point.value, point.gradient, point.hessian), wanted, strict=True):
            units = abs(float(found) - exact) / (torch.finfo(dtype).eps * abs(exact) + torch.finfo(dtype).tiny)
            assert units <= 4


@pytest.mark.parametrize("label", [0.25, 0.9])
@pytest.mark.parametrize("margin", MARGINS)
def test_no_digits_are_lost_with_soft_labels(margin, label):
    point = LogisticRegression(torch.ones(1, 1, dtype=torch.float64), torch.tensor([label]).double()).at(
        torch.tensor([margin], dtype=torch.float64)
    )
    with mpmath.workdps(50):
        y, z = mpmath.mpf(float(point.objective.y)), mpmath.mpf(margin)
        p, q = 1 / (1 + mpmath.exp(-z)), 1 / (1 + mpmath.exp(z))
        loss = y * mpmath.log1p(mpmath.exp(-z)) + (1 - y) * mpmath.log1p(mpmath.exp(z))
        assert abs(float(point.value) - loss) <= 4 * 2.3e-16 * loss
        assert abs(float(point.gradient) - (p - y)) <= 4 * 2.3e-16 * (p * (1 - y) + y * q)
        assert abs(float(point.hessian) - p * q) <= 4 * 2.3e-16 * p * q + 2.3e-308


@pytest.mark.parametrize(("n", "d"), [(7, 5), (3, 9), (20, 40_000), (50, 1), (1, 1)])
def test_the_transpose_of_a_sparse_matrix_is_sparse_and_the_same(n, d):
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(n, d, generator=generator, dtype=torch.float64)
    X = X.where(torch.rand(n, d, generator=generator) < 0.2, 0.0)
    X[:, d // 2] = 0.0  # a column without an entry
    turned = kernels.transposed(X.to_sparse_csr())
    assert turned.layout == torch.sparse_csr and torch.equal(turned.to_dense(), X.T)
    assert turned.col_indices().dtype == turned.crow_indices().dtype == torch.int32  # which its products want


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize(("d", "extra"), [(7, -1), (7, 0), (7, 1), (7, 37), (250, 5)])
@pytest.mark.parametrize("threads", [1, 2])
def test_blocks_add_up_to_the_whole_product(csr, d, extra, threads, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    n = 3 * (kernels.block_bytes() // (8 * d)) + extra
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(n, d, generator=generator, dtype=torch.float64)
    X = X.where(X > 0.5, 0.0) if csr else X
    weights = torch.rand(n, generator=generator, dtype=torch.float64)
    base = torch.randn(d, d, generator=generator, dtype=torch.float64)
    base = base + base.T
    exact = X.T @ (X * weights.unsqueeze(1))
    given = X.to_sparse_csr() if csr else X
    kept = base.clone()
    agree(kernels.weighted_gram(given, weights, base, 0.5), base + 0.5 * exact, 1e-13)
    squares = kernels.squares_of(given, kernels.transposed(given))
    assert (squares is not None) == csr
    agree(kernels.weighted_square_sums(given, weights, squares), exact.diagonal(), 1e-13)
    assert torch.equal(base, kept)


def test_blocks_grow_with_the_threads_that_share_them_and_not_without_end(monkeypatch):
    sizes = {}
    for threads in (1, 2, 8, 128):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        sizes[threads] = kernels.block_bytes() >> 20
        X = torch.zeros(sizes[threads] << 14, 20, dtype=torch.float64)
        assert len(list(kernels.row_blocks(X))) == 3  # 2.5 blocks
    assert sizes == {1: 1, 2: 4, 8: 16, 128: 16}


def test_csr_with_narrow_indices_is_the_same_problem(logistic):
    wide = logistic(csr=True, fit_intercept=True)
    X = wide.X
    narrow = torch.sparse_csr_tensor(X.crow_indices().int(), X.col_indices().int(), X.values(), X.shape)
    w = somewhere(wide.size)
    found, wanted = LogisticRegression(narrow, wide.y, fit_intercept=True).at(w), wide.at(w)
    for name in ("value", "gradient", "hessian", "hessian_diagonal"):
        agree(getattr(found, name), getattr(wanted, name), 1e-14)


@pytest.mark.parametrize("case", CASES[::3])
def test_a_function_has_the_derivatives_of_the_closed_form(logistic, case):
    problem = logistic(**case)
    w, v = somewhere(problem.size), somewhere(problem.size, seed=2)
    found, wanted = FunctionObjective(textbook(problem)).at(w), problem.at(w)
    for name in ("value", "gradient", "hessian", "hessian_diagonal"):
        agree(getattr(found, name), getattr(wanted, name), 1e-12)
    agree(found.hvp(v), wanted.hvp(v), 1e-12)


def test_a_linear_function_has_a_zero_hessian():
    point = FunctionObjective(lambda x: -x.sum()).at(torch.ones(3, dtype=torch.float64))
    assert torch.equal(point.gradient, -torch.ones(3, dtype=torch.float64))
    assert torch.equal(point.hessian, torch.zeros(3, 3, dtype=torch.float64))
    assert torch.equal(point.hvp(point.x), torch.zeros(3, dtype=torch.float64))


@pytest.mark.parametrize("name", ["value", "gradient", "hessian"])
@pytest.mark.parametrize("f", [lambda x: x**2, lambda x: 1.0, lambda x: None], ids=["vector", "float", "None"])
def test_a_function_that_returns_no_scalar_tensor_is_a_type_error(f, name):
    with pytest.raises(TypeError, match="scalar"):
        getattr(FunctionObjective(f).at(torch.ones(2, dtype=torch.float64)), name)


@pytest.mark.parametrize("name", ["value", "gradient", "hessian"])
def test_derivatives_carry_no_autograd_history(name):
    centre = torch.ones(2, dtype=torch.float64, requires_grad=True)
    point = FunctionObjective(lambda x: (x - centre).pow(4).sum()).at(torch.zeros(2, dtype=torch.float64))
    assert not getattr(point, name).requires_grad
