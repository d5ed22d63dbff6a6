"""The compiled kernels of a sparse X give what torch gives, to rounding; and without Numba nothing else changes."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

from solvers import SOLVERS, Status, Stop, minimize
from solvers.auto import pick
from solvers.objectives import LogisticRegression
from solvers.objectives.linear.compiled_point import by_torch

pytestmark = pytest.mark.skipif(find_spec("numba") is None, reason="Numba is not installed: the extra `fast` brings it")
DIGITS = {torch.float64: 1e-12, torch.float32: 2e-5}
PROBLEMS = [{"l2": 1e-2}, {"l2": 0.0}, {"l2": 1e-2, "fit_intercept": True}, {"reduction": "sum", "l2": 0.1}]


@pytest.fixture(autouse=True)
def one_thread():
    """With more, products are torch's."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def data(n: int, d: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of very different lengths, from none to all of the columns; the last column has no entry."""
    generator = torch.Generator().manual_seed(n + d)
    X = torch.randn(n, d, generator=generator, dtype=torch.float64)
    X *= torch.rand(n, d, generator=generator) < torch.linspace(0, 1, n).unsqueeze(1) ** 2
    X[:, -1] = 0
    y = torch.bernoulli(torch.sigmoid(X[:, 0]), generator=generator)
    return X.to(dtype).to_sparse_csr(), y.to(dtype)


def both(X, y, **options) -> tuple[LogisticRegression, LogisticRegression]:
    compiled = LogisticRegression(X, y, **options)
    with by_torch():
        plain = LogisticRegression(X, y, **options)
    assert compiled.rows is not None and plain.rows is None
    return compiled, plain


@pytest.mark.parametrize("dtype", DIGITS, ids=str)
@pytest.mark.parametrize("options", PROBLEMS)
@pytest.mark.parametrize(("n", "d"), [(1, 1), (2, 3), (40, 5), (60, 33), (300, 20), (10, 50)])
def test_everything_at_a_point_is_what_torch_gives(n, d, options, dtype):
    compiled, plain = both(*data(n, d, dtype), **options)
    w, v = (torch.linspace(a, b, compiled.size, dtype=dtype) for a, b in ((-1, 2), (1, -1)))
    close = {"rtol": DIGITS[dtype], "atol": DIGITS[dtype] * max(1.0, n * compiled.scale)}
    for x in (w, torch.zeros_like(w)):  # at 0 a probability is one number, repeated
        ours, theirs = compiled.at(x), plain.at(x)
        for name in ("value", "gradient", "hessian", "hessian_diagonal"):
            found, expected = getattr(ours, name), getattr(theirs, name)
            assert found.dtype == dtype and found.shape == expected.shape, name
            torch.testing.assert_close(found, expected, **close, msg=lambda words, name=name: f"{name}: {words}")
        torch.testing.assert_close(ours.hvp(v), theirs.hvp(v), **close)
        mine, other = ours.along(v).third_derivative(), theirs.along(v).third_derivative()
        torch.testing.assert_close(mine, other, **close)


@pytest.mark.parametrize("options", PROBLEMS[:3])
def test_autograd_follows_products_that_need_it(options):
    compiled, plain = both(*data(40, 5, torch.float64), **options)
    w = torch.linspace(-1, 1, compiled.size, dtype=torch.float64)
    v = w.flip(0).requires_grad_()
    slopes = [torch.autograd.grad(f.at(w).hvp(v) @ w, v)[0] for f in (compiled, plain)]
    torch.testing.assert_close(*slopes, rtol=1e-12, atol=1e-12)
    bends = []
    for f in (compiled, plain):
        x = w.clone().requires_grad_()
        point = f.at(x)
        loss = point.gradient @ w + point.hvp(w) @ w + point.hessian_diagonal.sum()
        bends += torch.autograd.grad(loss, x)
    torch.testing.assert_close(*bends, rtol=1e-12, atol=1e-12)


def test_a_vector_of_a_wrong_length_is_refused_before_a_kernel_reads_it():
    compiled, _ = both(*data(40, 5, torch.float64), l2=0.1)
    for length in (4, 6, 0):
        with pytest.raises(ValueError, match="a vector of 5 is needed"):
            compiled.at(compiled.zeros()).hvp(torch.ones(length, dtype=torch.float64))


def test_every_solver_comes_to_the_same_minimum_by_the_same_operations():
    compiled, plain = both(*data(200, 8, torch.float64), l2=0.1)
    failures = {}
    for name, solver in SOLVERS.items():
        if name == "auto":  # which solver it is depends on the price of the Hessian
            continue
        ours, theirs = (minimize(solver, f, stop=Stop(gap_tolerance=1e-8, iterations=500)) for f in (compiled, plain))
        if ours.status is not theirs.status or ours.value != pytest.approx(theirs.value, rel=1e-7):
            failures[name] = ours.status, theirs.status, ours.value, theirs.value
        if ours.iterations <= 20 and ours.iterations == theirs.iterations and ours.counters != theirs.counters:
            failures[name, "counters"] = ours.counters, theirs.counters
    assert not failures, failures


def csr(n: int, d: int, entries: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`entries` in each row, where no dense X would fit."""
    generator = torch.Generator().manual_seed(n)
    columns = torch.stack([torch.randperm(d // entries, generator=generator)[:1] for _ in range(n)])
    columns = (columns + torch.arange(entries) * (d // entries)).reshape(-1)
    values = torch.randn(n * entries, generator=generator, dtype=torch.float64)
    X = torch.sparse_csr_tensor(torch.arange(n + 1) * entries, columns, values, (n, d), check_invariants=False)
    return X, torch.bernoulli(torch.full((n,), 0.5, dtype=torch.float64), generator=generator)


def test_a_million_columns_need_no_square_of_them():
    X, y = csr(500, 1_000_000, 20)
    f = LogisticRegression(X, y, l2=1.0, reduction="sum")
    found = minimize(SOLVERS["auto"], f, stop=Stop(gap_tolerance=1e-6))
    assert found.status is Status.CONVERGED
    assert "hessians" not in found.counters or found.counters["hessians"] == 0


@pytest.mark.parametrize(
    ("shape", "options", "chosen"),
    [
        ((2000, 5000, 10), {"l2": 1.0, "reduction": "sum"}, "lbfgs"),
        ((2000, 5000, 10), {"l2": 1e-3, "reduction": "sum"}, "newton-cg"),  # the curvatures are too far apart
        ((2000, 5000, 10), {"l2": 0.0}, "newton-cg"),  # no bound for them
        ((500, 400, 5), {"l2": 1.0}, "newton-cg"),  # few entries, and a factor of order 400
        ((20_000, 30, 10), {"l2": 1.0}, "newton-chebyshev"),
    ],
)
def test_auto_goes_by_the_spread_of_curvatures_and_by_the_price_of_the_hessian(shape, options, chosen):
    X, y = csr(*shape)
    f = LogisticRegression(X, y, **options)
    assert pick(f.at(f.zeros()))[0] == chosen
