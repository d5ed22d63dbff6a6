"""Damped Kronecker factors: a metric whose inverse costs no more than that of its factors."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.instrumentation import booked
from .kronecker_factors import KroneckerFactors


class KroneckerInverse(NamedTuple):
    """The Cholesky factors of both sides of every layer's block."""

    layers: list[tuple[Tensor, Tensor]]

    @booked("solve")
    def solve(self, b: Tensor) -> Tensor:
        """(L (x) R)^-1 b layer by layer, (d,): L^-1 V R^-1 for the part V (p, q) of b, row by row."""
        parts, end = [], 0
        for left, right in self.layers:
            begin, end = end, end + len(left) * len(right)
            V = torch.cholesky_solve(b[begin:end].view(len(left), len(right)), left)
            parts.append(torch.cholesky_solve(V.mT, right).mT.flatten())
        return torch.cat(parts)


@booked("factorise", "kronecker_factorisations")
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
    return KroneckerInverse(list(zip(lower[::2], lower[1::2], strict=True)))


def balance(left: Tensor, right: Tensor) -> Tensor:
    """pi, (): the root of the ratio of the mean eigenvalues; 1 where a side is 0."""
    pi = (left.diagonal().mean() / right.diagonal().mean()).sqrt()
    return pi.where(pi.isfinite() & (pi > 0), 1.0)
