"""Cholesky factors: scaled by the diagonal, by a matrix of the order of the rows, with shifts that grow on failure."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..common.instrumentation import count, timed
from ..common.validation import EPS

CANCELLATION = 0.01  # the largest relative error of a direction that cancellation may cause


class Factor(NamedTuple):
    """L L^T = D^-1/2 (H + shift D) D^-1/2, D = diag H, so that the units of the variables do not matter.

    A diagonal scaling is within a factor d of the best one (Higham, Accuracy and Stability of Numerical
    Algorithms, 2nd ed., theorem 7.5); without it columns of scale 1e8 beside 1e-8 could not be factored.
    """

    lower: Tensor  # (d, d)
    scale: Tensor  # (d,), D^-1/2
    shift: float

    @timed("solve", "solves")
    def solve(self, b: Tensor) -> Tensor:
        """(H + shift D)^-1 b, (d,)."""
        return torch.cholesky_solve((self.scale * b).unsqueeze(1), self.lower).squeeze(1).mul_(self.scale)


class DualFactor(NamedTuple):
    """H = l2 I + X^T R^2 X by a matrix of the order of the rows: where these are few, H is never formed.

    H^-1 b = (b - X^T R (l2 I + R X X^T R)^-1 R X b) / l2 (Woodbury; Golub & Van Loan, 4th ed., section 2.1.4).
    """

    X: Tensor  # (n, d)
    root: Tensor  # (n,), the diagonal of R
    inner: Factor  # of l2 I + R X X^T R, (n, n)
    l2: float

    @property
    def lower(self) -> Tensor:
        return self.inner.lower

    def solve(self, b: Tensor) -> Tensor:
        """H^-1 b, (d,)."""
        inside = self.root * self.inner.solve(self.root * (self.X @ b))
        return torch.addmv(b, self.X.T, inside, alpha=-1).div_(self.l2)


def dual_factor(X: Tensor, gram: Tensor, weights: Tensor, l2: float) -> DualFactor | None:
    """The factor for H = l2 I + X^T diag(weights) X, with gram = X X^T; None where rounding would spoil it.

    H^-1 b is a difference of vectors of size b / l2; along the largest eigenvalue lambda only l2 / lambda of it is
    left.
    """
    root = weights.sqrt()
    inner = torch.outer(root, root).mul_(gram)
    inner.diagonal().add_(l2)
    if not EPS[X.dtype] * float(torch.linalg.matrix_norm(inner)) <= CANCELLATION * l2:
        return None
    found = factor(inner)
    return None if found is None else DualFactor(X, root, found, l2)


@timed("factorise", "factorisations")
def factor(hessian: Tensor, shift: float = 0.0, units: Tensor | None = None) -> Factor | None:
    """The scaled Cholesky factor of H + shift D, or None where that is not positive definite to rounding.

    units: D, (d,), positive; diag H if None.
    """
    found, info = _factor(hessian, shift, units)
    return None if info.item() else found


@timed("factorise", "factorisations")
def unchecked_factor(hessian: Tensor) -> tuple[Factor, Tensor]:
    """The same without a shift, and a number on the device that is not 0 where the factor is none."""
    return _factor(hessian, 0.0, None)


def _factor(hessian: Tensor, shift: float, units: Tensor | None) -> tuple[Factor, Tensor]:
    scale = (hessian.diagonal() if units is None else units).rsqrt()  # NaN for a negative entry: then no factor
    scaled = (hessian * scale).mul_(scale.unsqueeze(1))  # side by side: a product of two scales may overflow
    if shift:
        scaled.diagonal().add_(shift)
    lower, info = torch.linalg.cholesky_ex(scaled)
    return Factor(lower, scale, shift), info


def rounding_shift(d: int, dtype: torch.dtype) -> float:
    """The error of a Cholesky factorisation of a matrix with unit diagonal (Higham, theorem 10.3), doubled."""
    return 4 * (d + 1) * torch.finfo(dtype).eps


def in_units(hessian: Tensor, sizes: Tensor) -> Tensor:
    """D^-1/2 H D^-1/2, (d, d), with sizes D^1/2."""
    scale = sizes.reciprocal()
    return (hessian * scale).mul_(scale.unsqueeze(1))


def visible_diagonal(hessian: Tensor) -> Tensor:
    """|diag H|, (d,), raised to the entries |h_ij| of its row that are above sqrt(|h_ii h_jj| / eps).

    Such a pair of variables is indefinite, and its diagonal says nothing about their scales: it may be 0, or 1e-311 (a
    saturated unit of a network), too small for any multiple of it to serve as a shift. In units of the result no entry
    of H exceeds 1 / sqrt(eps), so that a shift of d / sqrt(eps) always suffices.
    """
    diagonal, entries = hessian.diagonal().abs(), hessian.abs()
    sizes = diagonal.sqrt()
    indefinite = EPS[hessian.dtype] ** 0.5 * entries > torch.outer(sizes, sizes)
    return torch.maximum(diagonal, entries.where(indefinite, 0.0).amax(1))


def shifted_factor(hessian: Tensor) -> Factor | None:
    """H + shift D with the first of rounding_shift * 10^k that is positive definite; None if H is not finite.

    D = visible_diagonal(H), and 1 where that is 0: |diag H| wherever H misses positive definiteness by rounding only.
    """
    if not bool(hessian.isfinite().all()):
        return None
    count("shifted")
    visible = visible_diagonal(hessian)
    info = torch.finfo(hessian.dtype)
    units = visible.where(visible > 0, 1.0)
    shift = rounding_shift(len(hessian), hessian.dtype)
    largest = 1 / info.eps**2
    while shift < largest:
        if (found := factor(hessian, shift, units)) is not None:
            return found
        shift *= 10
    return None


def safe_factor(matrix: Tensor) -> Factor | None:
    """`factor`, or `shifted_factor` where the matrix is not positive definite."""
    found = factor(matrix)
    return shifted_factor(matrix) if found is None else found
