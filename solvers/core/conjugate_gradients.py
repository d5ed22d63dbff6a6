"""Conjugate gradients for a Newton system, on Hessian-vector products: the caller decides when to stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.scalars import add_scaled, squared
from ..objectives.base import Point

# v -> M^-1 v, or the diagonal of M^-1, (d,).
Inverse = Callable[[Tensor], Tensor] | Tensor | None


class CGStep(NamedTuple):
    """One step of conjugate gradients; a step whose curvature is not `positive` is the last."""

    solution: Tensor  # (d,), the minimiser of the quadratic model over the directions searched so far
    search: Tensor  # (d,), the last direction, p
    curvature: float  # p^T H p
    positive: bool  # whether that is more than noise; if not, the solution was not moved along p
    residual: float  # r^T M^-1 r, with r = -(H solution + g) and M the preconditioner
    energy: float  # -g^T solution: twice what the quadratic model gains


def jacobi(point: Point) -> Tensor | None:
    """1 / |diag H|, (d,), with 1 for what is not finite; None where only the whole Hessian would give the diagonal."""
    if type(point).hessian_diagonal is Point.hessian_diagonal:
        return None
    inverse = point.hessian_diagonal.abs().reciprocal()
    return inverse.where(inverse.isfinite(), 1.0)


def kronecker(point: Point) -> Callable[[Tensor], Tensor] | None:
    """v -> M^-1 v for the Kronecker approximation M of H; None where the point has none."""
    inverse = getattr(point, "spectral_inverse", None)
    return None if inverse is None else inverse.solve


def preconditioned(inverse: Inverse, v: Tensor) -> Tensor:
    if inverse is None:
        return v
    return inverse * v if isinstance(inverse, Tensor) else inverse(v)


def gradient_norm(point: Point, inverse: Inverse = None) -> float:
    """sqrt(g^T M^-1 g); M is |diag H| where `inverse` is None."""
    inverse = jacobi(point) if inverse is None else inverse
    return math.sqrt(float(torch.dot(point.gradient, preconditioned(inverse, point.gradient))))


def conjugate_gradients(point: Point, noise: float = 0.0, inverse: Inverse = None) -> Iterator[CGStep]:
    """H s = -g from s = 0, preconditioned (Nocedal & Wright, Alg. 5.3).

    inverse: M^-1; where it is None, that of |diag H| if that is cheap, else I.

    A curvature p^T H p counts as positive if it is more than noise times p^T M p times the largest ratio of the two
    so far: whatever the units. p^T M p needs no product of its own, for M^-1 r is M-orthogonal to the last p
    (as in Steihaug 1983, SIAM J. Numer. Anal. 20, p. 626). Two numbers are read off the device a step.
    """
    inverse = jacobi(point) if inverse is None else inverse
    residual = -point.gradient
    search = preconditioned(inverse, residual)
    solution, energy = torch.zeros_like(residual), 0.0
    rho = size = float(torch.dot(residual, search))  # size: p^T M p
    largest = (
        1.0 if isinstance(inverse, Tensor) else 0.0
    )  # M^-1 |H| has an eigenvalue of at least 1: so is its diagonal
    while rho != 0:  # not a number: one more step, whose curvature is not positive
        product = point.hvp(search)
        curvature = float(torch.dot(search, product))
        largest = max(largest, curvature / size)
        if not curvature > noise * largest * size:
            yield CGStep(solution, search, curvature, False, rho, energy)
            return
        length = rho / curvature
        solution = add_scaled(solution, search, length)
        residual = add_scaled(residual, product, -length)
        energy += length * rho
        scaled = preconditioned(inverse, residual)
        rho, previous = float(torch.dot(residual, scaled)), rho
        yield CGStep(solution, search, curvature, True, rho, energy)
        search = add_scaled(scaled, search, rho / previous)
        size = rho + squared(rho / previous) * size
