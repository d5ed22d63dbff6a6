"""Many problems at once against one by one, and a path of penalties against one solve: compare within a group."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor

from solvers import SOLVERS, BatchLogisticRegression, Status, minimize, minimize_batch, regularization_path
from solvers.objectives import LogisticRegression

PROBLEMS, ROWS, COLUMNS, L2 = 1000, 100, 10, 0.01
NEWTON = SOLVERS["newton-cholesky"]


@cache
def data(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """X (B, n, d) normal, and labels that a direction explains in part, (B, n)."""
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(PROBLEMS, ROWS, COLUMNS, generator=generator, dtype=dtype)
    return X, torch.bernoulli(torch.sigmoid(X.sum(2) / COLUMNS**0.5), generator=generator)


def batch(X: Tensor, y: Tensor) -> None:
    assert set(minimize_batch(NEWTON, BatchLogisticRegression(X, y, L2)).status) == {Status.CONVERGED}


def loop(X: Tensor, y: Tensor) -> None:
    for rows, labels in zip(X, y, strict=True):
        minimize(NEWTON, LogisticRegression(rows, labels, L2))


def scikit_learn(X: Tensor, y: Tensor) -> None:
    """Its lbfgs with its own tolerance, over two processes of joblib."""
    joblib = pytest.importorskip("joblib")
    linear_model = pytest.importorskip("sklearn.linear_model")
    model = linear_model.LogisticRegression(C=1 / (L2 * ROWS), fit_intercept=False)
    fit = joblib.delayed(model.fit)
    joblib.Parallel(n_jobs=2, batch_size=50)(fit(*pair) for pair in zip(X.numpy(), y.numpy(), strict=True))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("way", [batch, loop, scikit_learn], ids=lambda way: way.__name__)
def test_many_small_problems(benchmark, way, dtype):
    """1,000 problems of 100 x 10, objectives included; one thread, but two processes for scikit-learn."""
    benchmark.group = f"{PROBLEMS} problems of {ROWS} x {COLUMNS}, {dtype}"
    benchmark.pedantic(way, args=data(getattr(torch, dtype)), rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("penalties", [1, 20])
def test_a_path_of_penalties(benchmark, penalties):
    """The smallest penalty alone, from 0, and a path of 20 that ends there."""
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(5000, 50, generator=generator, dtype=torch.float64)
    y = torch.bernoulli(torch.sigmoid(X.sum(1) / 50**0.5), generator=generator)
    l2s = torch.logspace(0, -4, penalties).tolist() if penalties > 1 else [1e-4]
    benchmark.group = "path of penalties, 5000 x 50"
    path = benchmark(lambda: regularization_path(NEWTON, LogisticRegression(X, y), l2s))
    assert path.converged
    benchmark.extra_info["iterations"] = sum(result.iterations for result in path.results)
