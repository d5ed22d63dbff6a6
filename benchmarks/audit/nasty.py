"""Logistic problems that are hard in small ways, their minima by SciPy, and the gap that `converged` promises."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from solvers import Stop
from solvers.core.stopping import allowed_gap
from solvers.objectives import LogisticRegression

DTYPES = (torch.float64, torch.float32)


def overlapping(
    n: int = 60,
    d: int = 4,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    soft: bool = False,
    csr: bool = False,
    **settings: Any,
) -> LogisticRegression:
    """A random problem whose classes overlap; soft: labels between 0 and 1; csr: a third of X is 0."""
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(n, d, generator=generator, dtype=torch.float64)
    probability = torch.sigmoid(X @ torch.linspace(-1, 1, d, dtype=torch.float64) + 0.3)
    y = probability if soft else torch.bernoulli(probability, generator=generator)
    if csr:
        X = X.where(X > -0.3, 0.0).to_sparse_csr()
    return LogisticRegression(X.to(dtype), y, **settings)


@cache
def nasty_problems(dtype: torch.dtype) -> dict[str, LogisticRegression]:
    """Scales, shifts, dependent and empty columns, few rows, rare labels; some have no minimiser."""
    generator = torch.Generator().manual_seed(3)
    Z = torch.randn(80, 4, generator=generator, dtype=torch.float64)
    y = torch.bernoulli(torch.sigmoid(Z @ torch.tensor([1.0, -1, 0.5, 0], dtype=torch.float64)), generator=generator)
    scales = torch.tensor([1e8, 1e-8, 1.0, 1e3], dtype=torch.float64)
    far = Z + torch.tensor([1e6, 0, 0, 0], dtype=torch.float64)
    collinear = torch.cat([Z, Z @ torch.randn(4, 2, generator=generator, dtype=torch.float64)], dim=1)
    wide = torch.randn(20, 50, generator=generator, dtype=torch.float64)
    rare = torch.zeros(1001, dtype=torch.float64)
    rare[500] = 1.0
    X = {
        "scales": (Z * scales, y, {}),
        "scales, l2": (Z * scales, y, dict(l2=1e-3)),
        "far column": (far, y, dict(fit_intercept=True)),
        "far column, l2": (far, y, dict(fit_intercept=True, l2=1e-2)),
        "collinear": (collinear, y, {}),
        "collinear, l2": (collinear, y, dict(l2=1e-6)),
        "almost collinear": (torch.cat([Z, Z[:, :1] + 1e-7 * Z[:, 1:2]], dim=1), y, {}),
        "duplicated columns": (torch.cat([Z, Z], dim=1), y, dict(fit_intercept=True)),
        "rank one": (Z[:, :1] * torch.ones(1, 6, dtype=torch.float64), y, dict(reduction="sum")),
        "a zero column": (Z * torch.tensor([1.0, 0, 1, 1], dtype=torch.float64), y, {}),
        "a constant column": (Z * 0 + 3.0, y, dict(fit_intercept=True)),
        "wide, l2": (wide, y[:20], dict(l2=1e-2)),
        "wide, tiny l2": (wide, y[:20], dict(l2=1e-8, reduction="sum")),
        "imbalanced": (torch.randn(1001, 3, generator=generator, dtype=torch.float64), rare, dict(fit_intercept=True)),
        "one row": (Z[:1], y[:1], dict(l2=1.0)),
        "two rows": (Z[:2], torch.tensor([0.0, 1.0]), dict(l2=1e-3, fit_intercept=True)),
        "heavy tails": (Z**5, y, dict(l2=1e-4)),
        "large": (1e4 * Z, y, {}),
        "tiny": (1e-12 * Z, y, {}),
    }
    return {kind: LogisticRegression(X.to(dtype), y, **settings) for kind, (X, y, settings) in X.items()}


@cache
def minimum(problem: LogisticRegression) -> float:
    """f* by SciPy's trust-region method in NumPy, polished by Newton steps by least squares, in scaled variables."""
    from scipy.optimize import minimize as scipy_minimize

    X, y = problem.X.to_dense().numpy().astype(np.float64), problem.y.numpy().astype(np.float64)
    X = np.column_stack([X, np.ones(len(y))]) if problem.fit_intercept else X
    penalty = np.full(X.shape[1], problem.l2)
    if problem.fit_intercept:
        penalty[-1] = 0.0
        X[:, :-1] -= X[:, :-1].mean(axis=0)  # moves the intercept, which is free
    scale = np.sqrt((X**2).mean(axis=0) / 4 * problem.scale * len(y) + penalty)
    scale[scale == 0] = 1.0
    X, penalty = X / scale, penalty / scale**2

    def f(v):
        z = X @ v
        return problem.scale * (np.logaddexp(0, -z) @ y + np.logaddexp(0, z) @ (1 - y)) + penalty @ v**2 / 2

    def g(v):
        return problem.scale * (X.T @ (1 / (1 + np.exp(-X @ v)) - y)) + penalty * v

    def hessian(v):
        p = 1 / (1 + np.exp(-X @ v))
        return problem.scale * (X.T * (p * (1 - p))) @ X + np.diag(penalty)

    v = scipy_minimize(f, np.zeros(X.shape[1]), jac=g, hess=hessian, method="trust-exact", options={"gtol": 1e-8}).x
    best = f(v)
    for _ in range(20):
        v = v - np.linalg.lstsq(hessian(v), g(v), rcond=1e-13)[0]
        best = min(best, f(v))
    return best


def gap(problem: LogisticRegression, x: Tensor) -> float:
    """f(x) - f*, in float64."""
    settings = dict(l2=problem.l2, fit_intercept=problem.fit_intercept, reduction=problem.reduction)
    exact = LogisticRegression(problem.X.double(), problem.y.double(), **settings)
    return float(exact.at(x.double()).value) - minimum(problem)


def promised(problem: LogisticRegression, value: float, start: float) -> float:
    """The largest gap with which a run may converge, to second order."""
    return allowed_gap(Stop().gap_tolerance, value, start, torch.finfo(problem.X.dtype).eps)
