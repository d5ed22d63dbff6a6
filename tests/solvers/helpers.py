"""What several tests of solvers share: small tensors, test functions, and counters of a single call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from solvers import Ledger, Stop, minimize
from solvers.common.instrumentation import current
from solvers.objectives import FunctionObjective, Point, ResidualMLP, SoftmaxRegression

BOWL = FunctionObjective(lambda x: x.square().sum())
SADDLE = FunctionObjective(lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4)  # minima -1/4 at (0, +-1/sqrt 2)
MONKEY = FunctionObjective(lambda x: x[0] ** 3 - 3 * x[0] * x[1] ** 2 + (x[0] ** 2 + x[1] ** 2) ** 2)
ROSENBROCK = FunctionObjective(lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2)


def vector(*entries: float) -> Tensor:
    return torch.tensor(entries, dtype=torch.float64)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def close(found: Tensor, wanted: Tensor, tolerance: float = 1e-12) -> None:
    """In the 2-norm, relative to what is wanted."""
    assert float((found - wanted).norm()) <= tolerance * float(wanted.norm())


def orthogonal(d: int, seed: int = 0) -> Tensor:
    return torch.linalg.qr(normal(d, d, seed=seed)).Q


def matrix(kind: str, d: int, seed: int) -> Tensor:
    """Symmetric, (d, d): definite, singular, indefinite or negative."""
    values = normal(d, seed=seed + 100).abs() + 0.1
    values[: {"definite": 0, "singular": 2, "indefinite": 2, "negative": d}[kind]] *= 0 if kind == "singular" else -1
    Q = orthogonal(d, seed)
    H = (Q * values) @ Q.T
    return (H + H.T) / 2


def model(H: Tensor, g: Tensor) -> Point:
    """The point 0 of g^T x + x^T H x / 2."""
    return FunctionObjective(lambda x: torch.dot(g, x) + 0.5 * torch.dot(x, H @ x)).at(torch.zeros_like(g))


def network(activation="tanh", depth=2, *, n=9, d=3, k=2, seed=0) -> tuple[ResidualMLP, Tensor]:
    """A random net and a point with biases that are not 0."""
    generator = torch.Generator().manual_seed(seed)
    X, Y = (torch.randn(n, width, generator=generator, dtype=torch.float64) for width in (d, k))
    net = ResidualMLP(X, Y, depth, activation)
    return net, net.random_start(generator) + 0.1 * torch.randn(net.size, generator=generator, dtype=torch.float64)


def softmax(n=120, d=4, classes=3, *, seed=0, csr=False, dtype=torch.float64, **settings) -> SoftmaxRegression:
    """A random problem with overlapping classes."""
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(n, d, generator=generator, dtype=torch.float64)
    W = torch.randn(d, classes, generator=generator, dtype=torch.float64)
    y = torch.multinomial(torch.softmax(X @ W, 1), 1, generator=generator).squeeze(1)
    X = (X.where(X > -0.3, 0.0).to_sparse_csr() if csr else X).to(dtype)
    return SoftmaxRegression(X, y, classes, **settings)


def values(solver: Any, f: Any, x: Tensor, iterations: int) -> list[float]:
    """f at each iterate."""
    found = minimize(solver, f, x, Stop(None, iterations=iterations)).trace.iterates
    return [float(f.at(x).value) for x in found]


def counted(act: Callable[[], Any]) -> tuple[Any, dict[str, int]]:
    """What a call returns, and what it evaluated."""
    ledger = Ledger()
    token = current.set(ledger)
    try:
        return act(), ledger.counts
    finally:
        current.reset(token)
