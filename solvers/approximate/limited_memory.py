"""Limited-memory BFGS: an inverse Hessian from the last few steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.scalars import add_scaled
from ..common.validation import EPS
from ..objectives.base import Point


class Pair(NamedTuple):
    """A step, and the change of the gradient over it."""

    s: Tensor  # (d,), x+ - x
    y: Tensor  # (d,), g+ - g
    curvature: float  # s^T y > 0


def remember(pairs: tuple[Pair, ...], s: Tensor, y: Tensor, memory: int) -> tuple[Pair, ...]:
    """The last `memory` pairs with (s, y); without it where s^T y <= 0, for it would make B indefinite."""
    curvature = float(torch.dot(s, y))
    return (*pairs, Pair(s, y, curvature))[-memory:] if curvature > 0 else pairs


def difference(before: Point, point: Point) -> Pair | None:
    """The pair of two iterates; None where s^T y is not positive, or beside ||s|| ||y|| no more than rounding."""
    s, y = point.x - before.x, point.gradient - before.gradient
    curvature = float(torch.dot(s, y))
    rounding = EPS[s.dtype] * float(torch.linalg.vector_norm(s)) * float(torch.linalg.vector_norm(y))
    return Pair(s, y, curvature) if rounding < curvature < math.inf else None


def two_loop(gradient: Tensor, pairs: tuple[Pair, ...], inverse: Callable[[Tensor], Tensor]) -> Tensor:
    """B g, (d,), with B the BFGS update of gamma M^-1 by the pairs, oldest first; `inverse` is v -> M^-1 v.

    gamma = s^T y / (y^T M^-1 y) for the last pair (Nocedal & Wright, Alg. 7.4 and eq. 7.20, with M instead of I).
    """
    q, weights = gradient, []
    for pair in reversed(pairs):
        weights.append(float(torch.dot(pair.s, q)) / pair.curvature)
        q = add_scaled(q, pair.y, -weights[-1])
    product = inverse(q)
    if pairs and (size := float(torch.dot(pairs[-1].y, inverse(pairs[-1].y)))) > 0:
        product = product * (pairs[-1].curvature / size)
    for pair, weight in zip(pairs, reversed(weights), strict=True):
        product = add_scaled(product, pair.s, weight - float(torch.dot(pair.y, product)) / pair.curvature)
    return product
