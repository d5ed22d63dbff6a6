"""Ranks and extreme eigenvalues: of small matrices by LAPACK, of large ones by Lanczos on products."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from solvers.objectives import Point

DENSE = 2000  # order up to which a matrix is assembled
EPS = torch.finfo(torch.float64).eps


class RowSpace(NamedTuple):
    """The rank of X (n, d), and a basis (d, rank) of coefficients: every X w is X v for some v in its span."""

    rank: int
    basis: Tensor


def row_space(X: Tensor) -> RowSpace:
    """By singular values above max(n, d) eps of the largest, of X with its columns scaled to norm 1."""
    n, d = X.shape
    norms = torch.linalg.vector_norm(X, dim=0)
    scale = torch.where(norms > 0, 1 / norms, 1.0)
    scaled = X * scale
    if n > 2 * d:
        scaled = torch.linalg.qr(scaled, mode="r").R  # of the same singular values and row space
    _, sizes, right = torch.linalg.svd(scaled, full_matrices=False)
    rank = int((sizes > max(n, d) * EPS * sizes[0]).sum())
    return RowSpace(rank, scale.unsqueeze(1) * right[:rank].T)


def least_eigenvalue(point: Point) -> float:
    """Of the Hessian; for a large one an upper bound to about 5 %: only the sign matters."""
    if len(point.x) <= DENSE:
        return float(torch.linalg.eigvalsh(point.hessian)[0])
    return lanczos(point.hvp, point.x, "SA", tolerance=0.05)


def diagonal_rate(point: Point) -> float:
    """lambda_max(D^-1 H), D = diag H, of a positive semidefinite H; rows and columns of zeros are left out."""
    diagonal = point.hessian_diagonal
    root = diagonal.where(diagonal > 0, math.inf).rsqrt()
    if len(diagonal) <= DENSE:
        return float(torch.linalg.eigvalsh(point.hessian * torch.outer(root, root))[-1])
    return lanczos(lambda v: root * point.hvp(root * v), point.x, "LA")


def lanczos(product: Callable[[Tensor], Tensor], like: Tensor, which: str, tolerance: float = 1e-3) -> float:
    """The largest ("LA") or least ("SA") eigenvalue of a symmetric operator, to a relative tolerance.

    NaN where 50 restarts do not find it.
    """
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    def matvec(v: np.ndarray) -> np.ndarray:
        return product(torch.as_tensor(v, dtype=like.dtype).ravel()).numpy()

    operator = LinearOperator((len(like), len(like)), matvec=matvec, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(len(like))
    try:
        found = eigsh(operator, 1, which=which, v0=start, tol=tolerance, maxiter=50, return_eigenvectors=False)
    except ArpackNoConvergence:
        return math.nan
    return float(found[0])
