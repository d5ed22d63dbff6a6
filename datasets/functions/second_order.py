"""Functions made for second-order solvers, one difficulty each, with minima in closed form."""

from __future__ import annotations

import math

import torch
from torch import Tensor

N = 10


def _chain(x: Tensor) -> Tensor:
    """A x with the matrix -x_(i-1) - x_(i+1), 0 beyond the ends: eigenvalues -2 cos(k pi / (n + 1)), k = 1..n."""
    edge = torch.zeros_like(x[:1])
    return -torch.cat([edge, x[:-1]]) - torch.cat([x[1:], edge])


def _eigenvalue(k: int) -> float:
    return -2 * math.cos(k * math.pi / (N + 1))


def _mode(k: int, length: float) -> tuple[float, ...]:
    """The k-th eigenvector of that matrix, of that length."""
    scale = length * math.sqrt(2 / (N + 1))
    return tuple(scale * math.sin(k * math.pi * i / (N + 1)) for i in range(1, N + 1))


def quadratic(x: Tensor) -> Tensor:
    """x^T A x / 2 - 1^T x with the matrix (-1, 2, -1): -n (n + 1) (n + 2) / 24 at x_i = i (n + 1 - i) / 2."""
    return torch.dot(x, 2 * x + _chain(x)) / 2 - x.sum()


def double_well(x: Tensor) -> Tensor:
    """(x_1^2 - 1)^2 / 4 + x_2^2 / 2: a saddle at 0, minima 0 at (1, 0) and (-1, 0)."""
    return (x[0] ** 2 - 1) ** 2 / 4 + x[1] ** 2 / 2


def quartic_bowl(x: Tensor) -> Tensor:
    """x^T A x / 2 + |x|^4 / 4 with the matrix (-1, 0, -1), which is indefinite.

    With s = |x|^2 it is at least a s / 2 + s^2 / 4, a the least eigenvalue: -a^2 / 4, at the eigenvector of length
    sqrt(-a). The other eigenvectors of negative eigenvalues are saddles.
    """
    return torch.dot(x, _chain(x)) / 2 + torch.dot(x, x) ** 2 / 4


def flat_valley(x: Tensor) -> Tensor:
    """(x_2 - x_1^2)^2: 0 all along a parabola, where the Hessian is singular."""
    return (x[1] - x[0] ** 2) ** 2


SLOPES = tuple(0.5 * 2.0**i for i in range(5))


def log_barrier(x: Tensor) -> Tensor:
    """c^T x - sum log(1 - x_i^2), infinite outside the cube |x_i| < 1 (Boyd & Vandenberghe, section 11.2).

    c_i + 2 x_i / (1 - x_i^2) = 0 at x_i = (1 - sqrt(1 + c_i^2)) / c_i.
    """
    room = 1 - x**2
    inside = room > 0
    barrier = torch.where(inside, -torch.log(room.where(inside, 1.0)), math.inf)
    return (torch.tensor(SLOPES, dtype=x.dtype, device=x.device) * x + barrier).sum()


LEAST = _eigenvalue(1)
CENTRE = tuple((1 - math.hypot(1, c)) / c for c in SLOPES)
ANTISYMMETRIC = tuple(0.1 * (i - (N - 1) / 2) for i in range(N))

# name, summary, f, start, minimum, minimiser, other minima
FUNCTIONS = (
    (
        "quadratic",
        "a positive definite quadratic in ten variables: one Newton step",
        quadratic,
        (0.0,) * N,
        -N * (N + 1) * (N + 2) / 24,
        tuple(i * (N + 1 - i) / 2 for i in range(1, N + 1)),
        (),
    ),
    (
        "saddle-start",
        "a double well, from beside its saddle: the Hessian there is indefinite and the gradient small",
        double_well,
        (1e-3, 1e-3),
        0.0,
        (1.0, 0.0),
        (),
    ),
    (
        "indefinite-start",
        "a quartic bowl around saddles, from where half of the curvatures are negative",
        quartic_bowl,
        tuple(0.01 * (i + 1) for i in range(N)),
        -(LEAST**2) / 4,
        _mode(1, math.sqrt(-LEAST)),
        (),
    ),
    (
        "hard-case",
        "the bowl, from where g is orthogonal to the least eigenvector: the hard case of trust regions",
        quartic_bowl,
        tuple(0.1 * v for v in ANTISYMMETRIC),
        -(LEAST**2) / 4,
        _mode(1, math.sqrt(-LEAST)),
        (),
    ),
    (
        "flat-valley",
        "a parabola of minimisers, with a singular Hessian at each",
        flat_valley,
        (2.0, 1.0),
        0.0,
        (1.0, 1.0),
        (),
    ),
    (
        "log-barrier",
        "a linear function in a cube: infinite outside, and close to the walls at its minimiser",
        log_barrier,
        (0.9, -0.9, 0.9, -0.9, 0.9),
        sum(c * v - math.log1p(-(v**2)) for c, v in zip(SLOPES, CENTRE, strict=True)),
        CENTRE,
        (),
    ),
)
