"""The operations of an iteration, each compared with an alternative, in groups."""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor

from datasets.loaders.sparse import one_hot
from solvers import SOLVERS, Stop, minimize
from solvers.linalg.cholesky import factor
from solvers.linalg.kernels import transposed, weighted_gram
from solvers.objectives import LogisticRegression, Point
from solvers.objectives.linear import compiled_point
from solvers.objectives.linear.compiled_point import by_torch
from solvers.objectives.newton_system import newton_direction

SIZES = ((398, 30), (20_000, 100), (200_000, 100))
GRAMS = ((398, 30), (200_000, 100), (20_000, 500))
EACH_SIZE = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


@cache
def rows(size: tuple[int, int], dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """X (n, d) normal, and labels that a direction explains in part, (n,)."""
    generator = torch.Generator().manual_seed(0)
    n, d = size
    X = torch.randn(n, d, generator=generator, dtype=dtype)
    return X, torch.bernoulli(torch.sigmoid(X.sum(1) / d**0.5), generator=generator)


@cache
def objective(size: tuple[int, int]) -> LogisticRegression:
    X, y = rows(size)
    return LogisticRegression(X, y, l2=1 / size[0])


@pytest.fixture
def threads(request):
    """torch's threads while one benchmark runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2], indirect=True, ids=["1 thread", "2 threads"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", GRAMS, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("how", ["weighted_gram", "naive", "plain GEMM"])
def test_weighted_gram(benchmark, size, dtype, threads, how):
    """X^T diag(c) X: by row blocks, by a scaled copy of X, and for comparison X^T X without weights."""
    (X, _), (n, d) = rows(size, getattr(torch, dtype)), size
    c = torch.linspace(0.01, 0.25, n, dtype=X.dtype)  # in the range of p (1 - p)
    zero, transpose = torch.zeros(d, d, dtype=X.dtype), transposed(X)
    ways = {
        "weighted_gram": lambda: weighted_gram(X, c, zero, transpose=transpose),
        "naive": lambda: X.T @ (X * c[:, None]),
        "plain GEMM": lambda: X.T @ X,
    }
    if how == "weighted_gram":
        error = float((ways[how]() - ways["naive"]()).abs().max())
        assert error <= 1e-11 * n if dtype == "float64" else error <= 1e-3 * n**0.5
    benchmark.group = f"X^T diag(c) X, {n} x {d}, {dtype}, {threads} thread{'s' * (threads > 1)}"
    benchmark.extra_info["flops"] = 2 * n * d * d
    benchmark(ways[how])


@EACH_SIZE
def test_gradient(benchmark, size):
    """From known margins: sigmoids, and one product with X^T."""
    n, d = size
    point = objective(size).at(torch.full((d,), 0.1, dtype=torch.float64))
    margins = point.margins
    benchmark.group = "gradient"
    benchmark.extra_info["flops"] = 2 * n * d
    benchmark(lambda: type(point)(point.objective, point.x, margins).gradient)


@pytest.mark.parametrize("d", [30, 100, 500])
def test_newton_system(benchmark, d):
    """Scaling, Cholesky factor, and two triangular solves."""
    X, g = torch.randn(4 * d, d, dtype=torch.float64), torch.ones(d, dtype=torch.float64)
    hessian = X.T @ X
    torch.testing.assert_close(hessian @ factor(hessian).solve(g), g, rtol=1e-9, atol=1e-9)
    benchmark.group = "Cholesky solve"
    benchmark.extra_info["flops"] = d**3 / 3 + 2 * d * d  # Golub & Van Loan, 4th ed., section 4.2
    benchmark(lambda: factor(hessian).solve(g))


@EACH_SIZE
@pytest.mark.parametrize("how", ["trial on a ray", "fresh value"])
def test_line_search_trial(benchmark, size, how):
    """The value at x + t direction: from margins kept along the ray, O(n), and from X, O(nd)."""
    f, (n, d) = objective(size), size
    x = torch.full((d,), 0.1, dtype=torch.float64)
    direction = torch.linspace(-1, 1, d, dtype=torch.float64) / d
    ray = f.at(x).along(direction)
    ways = {"trial on a ray": lambda: ray.at(0.5).value, "fresh value": lambda: f.at(x + 0.5 * direction).value}
    torch.testing.assert_close(ways["trial on a ray"](), ways["fresh value"](), rtol=1e-12, atol=0)
    benchmark.group = f"line-search trial, {n} x {d}"
    benchmark(ways[how])


@pytest.mark.skipif(find_spec("numba") is None, reason="Numba is not installed: the extra `fast` brings it")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [(398, 30), (1_000, 60), (3_000, 4)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("what", ["point", "newton step", "run"])
@pytest.mark.parametrize("how", ["compiled", "torch"])
def test_a_small_problem(benchmark, monkeypatch, how, what, size, dtype):
    """f and its gradient; Hessian and Newton direction, too; a run of newton-cholesky to a relative gap of 1e-6."""
    X, y = rows(size, getattr(torch, dtype))
    if how == "torch":
        monkeypatch.setattr(compiled_point, "kernels", lambda: None)
    f = LogisticRegression(X, y, l2=1 / size[0])
    x = torch.full_like(f.zeros(), 0.01)

    def near(x: Tensor) -> Point:
        point = f.at(x)
        _ = point.float_value
        return point

    ways = {
        "point": lambda: near(x).gradient,
        "newton step": lambda: newton_direction(near(x)),
        "run": lambda: minimize(SOLVERS["newton-cholesky"], f, stop=Stop(gap_tolerance=1e-6)),
    }
    benchmark.group = f"{what}, {size[0]} x {size[1]}, {dtype}"
    with torch.inference_mode(what != "run"):
        benchmark(ways[what])


@pytest.mark.skipif(find_spec("numba") is None, reason="Numba is not installed: the extra `fast` brings it")
@pytest.mark.parametrize("what", ["X^T u", "X^T (c * X v)", "diagonal", "Gram matrix"])
@pytest.mark.parametrize("how", ["compiled", "torch"])
def test_sparse(benchmark, how, what):
    """Of one-hot rows, 8,000 x 284 with 20 entries each, one thread."""
    data = one_hot()
    with by_torch() if how == "torch" else nullcontext():
        f = LogisticRegression(data.X, data.y, l2=1.0)
    point, v = f.at(torch.full_like(f.zeros(), 0.01)), torch.full_like(f.zeros(), 0.1)
    u = point.curvature
    ways = {
        "X^T u": lambda: f.transposed_product(u),
        "X^T (c * X v)": lambda: point.hvp(v),
        "diagonal": lambda: type(point).hessian_diagonal.function(point),
        "Gram matrix": lambda: type(point).hessian.function(point),
    }
    benchmark.group = f"sparse, {what}"
    benchmark(ways[what])
