"""The inverse of A (x) B + penalty I, by the eigenvalues of A and of a pencil of B."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..common.instrumentation import timed


class Pencil(NamedTuple):
    """V (m, m) with V^T (B + penalty I) V = I, V^T B V = diag(curvatures) and penalty V^T V = diag(penalties)."""

    vectors: Tensor  # (m, m), V
    curvatures: Tensor  # (m,), >= 0
    penalties: Tensor  # (m,), > 0


class SpectralInverse(NamedTuple):
    """(A (x) B + penalty I)^-1 for v (K m,), which is a matrix (K, m), row by row."""

    left: Tensor  # (K, K), the eigenvectors of A
    pencil: Pencil
    eigenvalues: Tensor  # (K, m), of A (x) B + penalty I in these bases

    def solve(self, v: Tensor) -> Tensor:
        """U ((U^T R V) / eigenvalues) V^T for R = v as a matrix; (K m,). It is positive definite."""
        V = self.pencil.vectors
        coordinates = self.left.T @ v.view(self.eigenvalues.shape) @ V
        return (self.left @ (coordinates / self.eigenvalues) @ V.T).flatten()


def pencil(B: Tensor, penalty: float) -> Pencil | None:
    """Of a symmetric, positive semidefinite B (m, m); None where B + penalty I is not positive definite to rounding.

    Cholesky's factor has the digits of every column, whatever its unit, and so has V.
    (Golub & Van Loan, Matrix Computations, 4th ed., Alg. 8.7.1.)
    """
    both = B.clone()
    both.diagonal().add_(penalty)
    lower, info = torch.linalg.cholesky_ex(both)
    if bool(info):
        return None
    half = torch.linalg.solve_triangular(lower, B, upper=False)
    between = torch.linalg.solve_triangular(lower, half.mT.contiguous(), upper=False)
    curvatures, vectors = torch.linalg.eigh((between + between.mT) / 2)
    V = torch.linalg.solve_triangular(lower.mT, vectors, upper=True)
    # Not 1 - curvatures, which would lose the digits of a small penalty.
    return Pencil(V, curvatures.clamp(min=0), penalty * V.square().sum(0))


@timed("factorise", "kronecker_factorisations")
def spectral_inverse(A: Tensor, of_columns: Pencil) -> SpectralInverse:
    """For a symmetric, positive semidefinite A (K, K)."""
    values, left = torch.linalg.eigh(A)
    eigenvalues = values.clamp(min=0).unsqueeze(1) * of_columns.curvatures + of_columns.penalties
    return SpectralInverse(left, of_columns, eigenvalues)
