"""The test functions of More, Garbow & Hillstrom, as residuals of a flat vector; numbers and starts as published.

J. J. More, B. S. Garbow, K. E. Hillstrom (1981). Testing unconstrained optimization software. ACM Transactions on
Mathematical Software 7, p. 17. Each f is the sum of the squares of its residuals; counted from 1 as there.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def _one_to(n: int, x: Tensor) -> Tensor:
    """1, 2, ..., n."""
    return torch.arange(1, n + 1, dtype=x.dtype, device=x.device)


def _data(x: Tensor, numbers: tuple[float, ...]) -> Tensor:
    return torch.tensor(numbers, dtype=x.dtype, device=x.device)


def rosenbrock(x: Tensor) -> Tensor:
    return torch.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def freudenstein_roth(x: Tensor) -> Tensor:
    a, b = x
    return torch.stack([-13 + a + ((5 - b) * b - 2) * b, -29 + a + ((b + 1) * b - 14) * b])


def powell_badly_scaled(x: Tensor) -> Tensor:
    return torch.stack([1e4 * x[0] * x[1] - 1, torch.exp(-x[0]) + torch.exp(-x[1]) - 1.0001])


def brown_badly_scaled(x: Tensor) -> Tensor:
    return torch.stack([x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2])


def beale(x: Tensor) -> Tensor:
    return _data(x, (1.5, 2.25, 2.625)) - x[0] * (1 - torch.stack([x[1], x[1] ** 2, x[1] ** 3]))


def jennrich_sampson(x: Tensor) -> Tensor:
    i = _one_to(10, x)
    return 2 + 2 * i - (torch.exp(i * x[0]) + torch.exp(i * x[1]))


def helical_valley(x: Tensor) -> Tensor:
    """The angle in turns, between -1/4 and 3/4."""
    turns = torch.atan(x[1] / x[0]) / (2 * math.pi) + 0.5 * (x[0] < 0)
    radius = torch.sqrt(x[0] ** 2 + x[1] ** 2)
    return torch.stack([10 * (x[2] - 10 * turns), 10 * (radius - 1), x[2]])


BARD = (0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39)


def bard(x: Tensor) -> Tensor:
    u = _one_to(15, x)
    v = 16 - u
    return _data(x, BARD) - (x[0] + u / (v * x[1] + torch.minimum(u, v) * x[2]))


GAUSSIAN = (0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521)  # and back, around 0.3989


def gaussian(x: Tensor) -> Tensor:
    t = (8 - _one_to(15, x)) / 2
    return x[0] * torch.exp(-x[1] * (t - x[2]) ** 2 / 2) - _data(x, (*GAUSSIAN, 0.3989, *reversed(GAUSSIAN)))


MEYER = (34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872)


def meyer(x: Tensor) -> Tensor:
    return x[0] * torch.exp(x[1] / (45 + 5 * _one_to(16, x) + x[2])) - _data(x, MEYER)


def gulf(x: Tensor) -> Tensor:
    t = _one_to(99, x) / 100
    y = 25 + (-50 * torch.log(t)) ** (2 / 3)
    return torch.exp(-((torch.abs(y - x[1]) ** x[2]) / x[0])) - t


def box(x: Tensor) -> Tensor:
    t = _one_to(10, x) / 10
    return torch.exp(-t * x[0]) - torch.exp(-t * x[1]) - x[2] * (torch.exp(-t) - torch.exp(-10 * t))


def powell_singular(x: Tensor) -> Tensor:
    a, b, c, d = x
    return torch.stack([a + 10 * b, math.sqrt(5) * (c - d), (b - 2 * c) ** 2, math.sqrt(10) * (a - d) ** 2])


def wood(x: Tensor) -> Tensor:
    a, b, c, d = x
    near = [10 * (b - a**2), 1 - a, math.sqrt(90) * (d - c**2), 1 - c]
    return torch.stack([*near, math.sqrt(10) * (b + d - 2), (b - d) / math.sqrt(10)])


KOWALIK_Y = (0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246)
KOWALIK_U = (4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625)


def kowalik_osborne(x: Tensor) -> Tensor:
    u = _data(x, KOWALIK_U)
    return _data(x, KOWALIK_Y) - x[0] * (u**2 + u * x[1]) / (u**2 + u * x[2] + x[3])


def brown_dennis(x: Tensor) -> Tensor:
    t = _one_to(20, x) / 5
    return (x[0] + t * x[1] - torch.exp(t)) ** 2 + (x[2] + x[3] * torch.sin(t) - torch.cos(t)) ** 2


OSBORNE = (
    *(0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751, 0.718, 0.685, 0.658, 0.628, 0.603),
    *(0.580, 0.558, 0.538, 0.522, 0.506, 0.490, 0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411),
    0.406,
)


def osborne(x: Tensor) -> Tensor:
    t = 10 * (_one_to(33, x) - 1)
    return _data(x, OSBORNE) - (x[0] + x[1] * torch.exp(-t * x[3]) + x[2] * torch.exp(-t * x[4]))


def biggs(x: Tensor) -> Tensor:
    t = _one_to(13, x) / 10
    y = torch.exp(-t) - 5 * torch.exp(-10 * t) + 3 * torch.exp(-4 * t)
    return x[2] * torch.exp(-t * x[0]) - x[3] * torch.exp(-t * x[1]) + x[5] * torch.exp(-t * x[4]) - y


def watson(x: Tensor) -> Tensor:
    """r_i = sum_j (j-1) x_j t_i^(j-2) - (sum_j x_j t_i^(j-1))^2 - 1 with t_i = i/29, then x_1 and x_2 - x_1^2 - 1."""
    t, powers = _one_to(29, x) / 29, range(len(x))
    value = sum(x[j] * t**j for j in powers)
    slope = sum(j * x[j] * t ** (j - 1) for j in powers if j)
    return torch.cat([slope - value**2 - 1, torch.stack([x[0], x[1] - x[0] ** 2 - 1])])


def extended_rosenbrock(x: Tensor) -> Tensor:
    odd, even = x[::2], x[1::2]
    return torch.cat([10 * (even - odd**2), 1 - odd])


def penalty_one(x: Tensor) -> Tensor:
    return torch.cat([math.sqrt(1e-5) * (x - 1), torch.stack([(x**2).sum() - 0.25])])


def penalty_two(x: Tensor) -> Tensor:
    n, small = len(x), math.sqrt(1e-5)
    grown, i = torch.exp(x / 10), _one_to(n, x)
    y = torch.exp(i[1:] / 10) + torch.exp(i[:-1] / 10)
    last = ((n - i + 1) * x**2).sum() - 1
    rows = [small * (grown[1:] + grown[:-1] - y), small * (grown[1:] - math.exp(-0.1))]
    return torch.cat([torch.stack([x[0] - 0.2]), *rows, torch.stack([last])])


def variably_dimensioned(x: Tensor) -> Tensor:
    total = (_one_to(len(x), x) * (x - 1)).sum()
    return torch.cat([x - 1, torch.stack([total, total**2])])


def trigonometric(x: Tensor) -> Tensor:
    i = _one_to(len(x), x)
    return len(x) - torch.cos(x).sum() + i * (1 - torch.cos(x)) - torch.sin(x)


def brown_almost_linear(x: Tensor) -> Tensor:
    n = len(x)
    return torch.cat([x[:-1] + x.sum() - (n + 1), torch.stack([x.prod() - 1])])


def _neighbours(x: Tensor) -> tuple[Tensor, Tensor]:
    """x_(i-1) and x_(i+1), 0 beyond the ends."""
    edge = 0 * x[:1]
    return torch.cat([edge, x[:-1]]), torch.cat([x[1:], edge])


def discrete_boundary_value(x: Tensor) -> Tensor:
    h = 1 / (len(x) + 1)
    before, after = _neighbours(x)
    return 2 * x - before - after + h**2 * (x + h * _one_to(len(x), x) + 1) ** 3 / 2


def discrete_integral(x: Tensor) -> Tensor:
    h = 1 / (len(x) + 1)
    t = h * _one_to(len(x), x)
    cubes = (x + t + 1) ** 3
    below, above = t * cubes, (1 - t) * cubes
    up_to = below.cumsum(0)
    return x + h / 2 * ((1 - t) * up_to + t * (above.sum() - above.cumsum(0)))


def broyden_tridiagonal(x: Tensor) -> Tensor:
    before, after = _neighbours(x)
    return (3 - 2 * x) * x - before - 2 * after + 1


def broyden_banded(x: Tensor) -> Tensor:
    """r_i = x_i (2 + 5 x_i^2) + 1 - sum of x_j (1 + x_j) over the five entries before and the one after."""
    terms, n = x * (1 + x), len(x)
    near = [sum((terms[j] for j in range(max(0, i - 5), min(n, i + 2)) if j != i), 0 * x[0]) for i in range(n)]
    return x * (2 + 5 * x**2) + 1 - torch.stack(near)


def linear_full_rank(x: Tensor) -> Tensor:
    """m = 2 n."""
    mean = x.sum() / len(x)
    return torch.cat([x - mean - 1, 0 * x - mean - 1])


def linear_rank_one(x: Tensor) -> Tensor:
    """m = 2 n."""
    return _one_to(2 * len(x), x) * (_one_to(len(x), x) * x).sum() - 1


def chebyquad(x: Tensor) -> Tensor:
    """Means of the shifted Chebyshev polynomials T_1..T_n at the x_j, less their integrals over [0, 1]."""
    shifted = 2 * x - 1
    before, now, rows = 1 + 0 * x, shifted, []
    for i in range(1, len(x) + 1):
        rows.append(now.sum() / len(x) + (1 / (i**2 - 1) if i % 2 == 0 else 0))
        before, now = now, 2 * shifted * now - before
    return torch.stack(rows)
