"""Kronecker factors of the Gauss-Newton matrix of a model made of linear layers, and the inverse of their products."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.instrumentation import timed


class KroneckerFactors(NamedTuple):
    """The diagonal blocks of the Gauss-Newton matrix, each as about left (x) right + penalty I.

    Layer by layer, in the order of x: left (p, p) and right (q, q), symmetric and positive semidefinite; the layer's
    part of x is a matrix (p, q), row by row, biases included. For a layer a = W^T h + b and a loss that sums over rows,
    the block is sum_i (h_i h_i^T) (x) (J_i^T C_i J_i), h with a 1 appended for the bias, J = d outputs / d a and C the
    Hessian of the row's loss in the outputs; its factors are the mean of the first and the sum of the second, so
    that it is exact for one row, and wherever inputs and slopes of the outputs are independent (Martens & Grosse 2015,
    arXiv:1503.05671, section 3). For a squared error or cross-entropy C is the covariance of the gradients under the
    model's own predictive distribution, so that this is its Fisher matrix (the same, section 2).
    """

    layers: list[tuple[Tensor, Tensor]]
    penalty: float = 0.0
    order: Tensor | None = None  # (d,): where x has another order, x[order] is that of the layers


class KroneckerInverse(NamedTuple):
    """The Cholesky factors of both sides of every layer's block."""

    layers: list[tuple[Tensor, Tensor]]
    order: Tensor | None = None

    @timed("solve")
    def solve(self, b: Tensor) -> Tensor:
        """(L (x) R)^-1 b layer by layer, (d,): L^-1 V R^-1 for the part V (p, q) of b, row by row."""
        b = b if self.order is None else b[self.order]
        parts, end = [], 0
        for left, right in self.layers:
            begin, end = end, end + len(left) * len(right)
            V = torch.cholesky_solve(b[begin:end].view(len(left), len(right)), left)
            parts.append(torch.cholesky_solve(V.mT, right).mT.flatten())
        solution = torch.cat(parts)
        return solution if self.order is None else torch.empty_like(solution).index_copy_(0, self.order, solution)


@timed("factorise", "kronecker_factorisations")
def kronecker_inverse(factors: KroneckerFactors, damping: float) -> KroneckerInverse | None:
    """Of (L + pi gamma I) (x) (R + gamma / pi I), gamma = sqrt(damping + penalty), for the factors of every layer.

    Multiplied out, that adds gamma^2 I and pi gamma I (x) R + gamma / pi L (x) I; with pi^2 = (tr L / p) / (tr R / q)
    the norm of the latter is small (Martens & Grosse 2015, arXiv:1503.05671, section 6.3). None where a side is not
    positive definite to rounding: one number is read off the device for all of them.
    """
    gamma, lower, failed = math.sqrt(damping + factors.penalty), [], []
    for left, right in factors.layers:
        pi = balance(left, right)
        for side, shift in ((left, gamma * pi), (right, gamma / pi)):
            shifted = side.clone()
            shifted.diagonal().add_(shift)
            found, info = torch.linalg.cholesky_ex(shifted)
            lower.append(found)
            failed.append(info)
    if bool(torch.stack(failed).any()):
        return None
    return KroneckerInverse(list(zip(lower[::2], lower[1::2], strict=True)), factors.order)


def balance(left: Tensor, right: Tensor) -> Tensor:
    """pi, (): the root of the ratio of the mean eigenvalues; 1 where a side is 0."""
    pi = (left.diagonal().mean() / right.diagonal().mean()).sqrt()
    return pi.where(pi.isfinite() & (pi > 0), 1.0)
