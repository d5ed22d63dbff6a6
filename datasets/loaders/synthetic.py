"""Logistic problems of chosen difficulty, the same bytes for the same seed.

NumPy draws the numbers; then come only additions, products, quotients and square roots, in a fixed order on one
thread (no BLAS, no LAPACK): the number of threads and the width of the vector unit change nothing.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from numpy.random import Generator, SeedSequence, default_rng
from scipy.sparse import csr_matrix
from torch import Tensor

from .dataset import Dataset, csr_tensor

MIRRORS = 3  # Householder reflections that mix the columns


def synthetic(
    n: int = 1000,
    d: int = 20,
    *,
    condition: float | None = 1.0,
    margin: float = 0.0,
    sparsity: float = 0.0,
    label_noise: float = 0.1,
    balance: float = 0.5,
    n_test: int | None = None,
    seed: int = 0,
) -> Dataset:
    """X (n, d) and y (n,) in {0, 1}, float64; n_test rows more (n // 2 by default) from the same distribution.

    There is a unit vector u with t_i = x_i u positive on one side and negative on the other, mean t_i^2 = 1; the
    rest of x_i is normal.
    condition: of X^T X, to rounding; its eigenvalues are n times numbers spread evenly in logarithm from 1 down to
        1 / condition, and u is the eigenvector of the largest. None: independent columns, condition as it comes
        (the only choice where n < d, and much faster where n d^2 is large). In sparse X it is the ratio of the
        largest to the smallest expected mean square of a column, so only nearly the condition number.
    margin: min_i |t_i|, in [0, 1). If positive and label_noise = 0 the classes are separable, and no unit vector,
        with or without an intercept, has a larger margin: two rows are +-margin u. If 0, labels have no gap.
    label_noise: this share of the labels, rounded to a row, is on the wrong side.
    balance: this share of the labels, rounded to a row, is 1 (noise included).
    sparsity: this share of the entries of X, rounded to an entry, is 0; if positive X is CSR (X_test too).
    Raises ValueError for settings that no data can satisfy.
    """
    n_test = max(n // 2, 4) if n_test is None else n_test
    _check(n, d, condition, margin, sparsity, label_noise, balance, n_test)
    streams = [default_rng(child) for child in SeedSequence(seed).spawn(3)]
    one_hot = min(d, max(1, round(1 / (1 - sparsity)))) if sparsity else 1  # columns that share the signal
    normals = mirrors(d, streams[2])
    scales = _scales(d, condition, one_hot)  # (d,)
    parts: list[Tensor] = []
    for rows, rng, exact in ((n, streams[0], True), (n_test, streams[1], False)):
        y, sides = _labels(rows, label_noise, balance, rng)
        planted = _planted(sides, margin) if exact else []
        t = _signal(sides, margin, planted, rng)
        if sparsity:
            X = _sparse(t, d, one_hot, sparsity, planted, scales, rng)
            parts += [csr_tensor(csr_matrix(X)), torch.as_tensor(y)]
            continue
        X = np.concatenate([t[:, None], rng.standard_normal((rows, d - 1))], axis=1)
        X[planted, 1:] = 0
        if exact and condition is not None:
            _orthogonalise(X, planted)
        parts += [torch.as_tensor(mirrored(X * scales, normals)), torch.as_tensor(y)]
    return Dataset(f"synthetic {n} x {d}, seed {seed}", *parts)


def correlated_normal(n: int, d: int, correlation: float = 0.9) -> Dataset:
    """`synthetic` with independent columns, then mixed: columns j and k are correlated by correlation^|j - k|."""
    data = synthetic(n, d, condition=None)
    parts = [X.T.contiguous() for X in (data.X, data.X_test)]  # (d, n): a column is contiguous
    for columns in parts:
        columns[1:] *= math.sqrt(1 - correlation**2)
        for j in range(1, d):
            columns[j] += correlation * columns[j - 1]
    X, X_test = (columns.T.contiguous() for columns in parts)
    return replace(data, name=f"{data.name}, correlated", X=X, X_test=X_test)


def _check(n, d, condition, margin, sparsity, label_noise, balance, n_test) -> None:
    if n < 4 or d < 1 or n_test < 4:
        raise ValueError(f"n and n_test must be at least 4, d at least 1, found {n}, {n_test} and {d}")
    for name, value in (("sparsity", sparsity), ("margin", margin)):
        if not 0 <= value < 1:
            raise ValueError(f"{name} must lie in [0, 1), found {value!r}")
    for name, value in (("label_noise", label_noise), ("balance", balance)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie in [0, 1], found {value!r}")
    if condition is None:
        return
    if not (condition >= 1 and math.isfinite(condition)):
        raise ValueError(f"condition must be a finite number >= 1, or None, found {condition!r}")
    if d == 1 and condition > 1:
        raise ValueError(f"one column has condition number 1, not {condition:g}: take d >= 2")
    spare = 2 if margin else 0
    if not sparsity and n - spare < d:
        raise ValueError(
            f"X^T X is singular with n = {n} rows{' (two are planted)' if spare else ''} for d = {d} columns: "
            "take more rows, or condition=None"
        )


def _labels(n: int, noise: float, balance: float, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """y (n,) with its share of ones, and the side (n,) +-1 each row is on, which a share of the labels contradicts."""
    y = np.zeros(n)
    y[rng.permutation(n)[: round(balance * n)]] = 1
    sides = 2 * y - 1
    sides[rng.permutation(n)[: round(noise * n)]] *= -1
    return y, sides


def _planted(sides: np.ndarray, margin: float) -> list[int]:
    """The first row of each side (where there is one): they become +-margin u, so that nothing separates better."""
    return [int(np.flatnonzero(sides == side)[0]) for side in (1, -1) if margin and (sides == side).any()]


def _signal(sides: np.ndarray, margin: float, planted: list[int], rng: Generator) -> np.ndarray:
    """t (n,) with those signs, |t| = margin on the planted rows and margin + c |normal| on the others, mean t^2 = 1.

    c >= 0 solves the quadratic c^2 sum g^2 + 2 c margin sum g + n margin^2 = n.
    """
    g = np.abs(rng.standard_normal(len(sides)))
    g[planted] = 0
    a, b, rest = (g * g).sum(), margin * g.sum(), len(g) * (1 - margin * margin)
    c = rest / (b + math.sqrt(b * b + a * rest)) if a else 0.0
    return sides * (margin + c * g)


def _scales(d: int, condition: float | None, first: int) -> np.ndarray:
    """Root mean squares (d,): 1 for the first few columns, then evenly in logarithm down to 1 / sqrt(condition)."""
    steps = max(d - first, 1)
    ratio = (condition or 1.0) ** (-0.5 / steps)
    return np.cumprod([1.0] * first + [ratio] * (d - first))


def mirrors(d: int, rng: Generator) -> np.ndarray:
    """(MIRRORS, d): normals of the reflections."""
    return rng.standard_normal((MIRRORS if d > 1 else 0, d))


def mirrored(X: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """X (n, d) after the Householder reflections of its columns, in place."""
    for v in normals:
        X -= (X * v).sum(axis=1, keepdims=True) * (2 / (v * v).sum() * v)
    return X


def _orthogonalise(X: np.ndarray, planted: list[int]) -> None:
    """Makes the columns of X orthogonal with mean squares 1, the first one untouched; in place.

    Modified Gram-Schmidt, twice (Giraud, Langou & Rozloznik 2005: twice is enough). The planted rows are zero but for
    the first entry, and stay so, for the first column is projected out on the other rows alone.
    """
    n, d = X.shape
    first = X[:, 0].copy()
    X[planted, 0] = 0
    for _ in range(2):
        for k in range(d):
            v, rest = X[:, k], X[:, k + 1 :]
            rest -= v[:, None] * ((v[:, None] * rest).sum(axis=0) / (v * v).sum())
    X *= np.sqrt(n / (X * X).sum(axis=0))
    X[:, 0] = first


def _sparse(
    t: np.ndarray, d: int, one_hot: int, sparsity: float, planted: list[int], scales: np.ndarray, rng: Generator
) -> np.ndarray:
    """X (n, d) with an exact number of zeros and X u = t for u = (1, ..., 1, 0, ..., 0) / sqrt(one_hot).

    A row has its t_i in one of the first columns, scaled by sqrt(one_hot); a planted row is t_i u itself. The other
    entries are normal, with places drawn among the other columns.
    """
    n = len(t)
    X = np.zeros((n, d))
    X[np.arange(n), rng.integers(one_hot, size=n)] = math.sqrt(one_hot) * t
    X[planted, :one_hot] = t[planted, None] / math.sqrt(one_hot)
    others = np.setdiff1d(np.arange(n), planted)
    cells = len(others) * (d - one_hot)
    wanted = n * d - round(sparsity * n * d) - int(np.count_nonzero(X))
    if not 0 <= wanted <= cells:
        low, high = (1 - (np.count_nonzero(X) + k) / (n * d) for k in (cells, 0))
        raise ValueError(f"sparsity {sparsity:g} is not possible with {n} x {d}: take {low:.4g} to {high:.4g}, or 0")
    places = rng.choice(cells, wanted, replace=False)
    if wanted:
        rows, columns = np.divmod(places, d - one_hot)
        # The factor makes the mean square of a column 1, zeros included.
        X[others[rows], one_hot + columns] = math.sqrt(cells / wanted) * rng.standard_normal(wanted)
    return X * scales
