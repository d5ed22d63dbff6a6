"""Logistic and softmax regression as a careful NumPy user would write them, for SciPy's optimisers.

One product with X gives value and gradient, and the probabilities of the last w serve the Hessian and products with it.
SciPy's vectors are float64; products with X are in the precision of X. No exponential overflows, and no loss is
computed as a difference of large numbers.
"""

from __future__ import annotations

from typing import Any

from .base import require

ROWS = 4096  # of a block of X^T diag(c) X: a scaled copy of all of X would not fit a cache


class NumPyObjective:
    """f(w) = scale sum_i loss_i + l2/2 ||w||^2, the intercepts not penalised; a method for each derivative.

    X (n, d) is a C-ordered array or a SciPy CSR matrix, y (n,) holds whole labels. A column of ones stands for
    an intercept.
    """

    def __init__(self, X: Any, y: Any, l2: float, scale: float, fit_intercept: bool, classes: int = 1) -> None:
        self.np = np = require("numpy", "NumPy")
        if fit_intercept:
            ones = np.ones((len(y), 1), X.dtype)
            X = np.hstack([X, ones]) if isinstance(X, np.ndarray) else _stacked(X, ones)
        self.X, self.scale, self.classes = X, scale, classes
        self.penalty = np.full((classes, X.shape[1]), l2)
        if fit_intercept:
            self.penalty[:, -1] = 0.0
        self.penalty = self.penalty.ravel()  # (size,)
        self.last: tuple[bytes, Any] = (b"", None)
        self.set_labels(y)

    def set_labels(self, y: Any) -> None:
        raise NotImplementedError

    def evaluate(self, w: Any) -> tuple[float, Any, Any]:
        """The sum of the losses, its gradient as (d,) or (K, d), and what the curvature needs."""
        raise NotImplementedError

    def __call__(self, w: Any) -> tuple[float, Any]:
        """f and its gradient (size,), in float64."""
        losses, slopes, curvature = self.evaluate(w)
        self.last = w.tobytes(), curvature
        penalised = self.penalty * w
        return self.scale * losses + 0.5 * float(penalised @ w), self.scale * slopes.ravel() + penalised

    def curvature(self, w: Any) -> Any:
        """Of the last w without another product with X."""
        if self.last[0] != w.tobytes():
            self(w)
        return self.last[1]

    def weighted_gram(self, weights: Any) -> Any:
        """X^T diag(weights) X, (d, d), in the precision of X."""
        np, X = self.np, self.X
        if not isinstance(X, np.ndarray):
            return (X.T @ X.multiply(weights[:, None]).tocsr()).toarray()
        gram = np.zeros((X.shape[1], X.shape[1]), X.dtype)
        for first in range(0, len(X), ROWS):
            rows = X[first : first + ROWS]
            gram += rows.T @ (rows * weights[first : first + ROWS, None])
        return gram


class NumPyLogistic(NumPyObjective):
    """loss_i = log(1 + exp(-t_i)), t_i = s_i x_i w, with signs s_i = 2 y_i - 1."""

    def set_labels(self, y: Any) -> None:
        self.signs = 2 * y - 1

    def evaluate(self, w: Any) -> tuple[float, Any, Any]:
        np = self.np
        margins = self.signs * (self.X @ w.astype(self.X.dtype))
        small = np.exp(-np.abs(margins))  # in (0, 1]
        losses = np.log1p(small).sum(dtype=float) - np.minimum(margins, 0).sum(dtype=float)
        wrong = np.where(margins < 0, 1, small) / (1 + small)  # sigmoid(-t)
        return float(losses), self.X.T @ (-self.signs * wrong), small / (1 + small) ** 2

    def hessian(self, w: Any) -> Any:
        found = self.scale * self.weighted_gram(self.curvature(w)).astype(float)
        found.flat[:: len(found) + 1] += self.penalty
        return found

    def product(self, w: Any, v: Any) -> Any:
        along = self.X @ v.astype(self.X.dtype)
        return self.scale * (self.X.T @ (self.curvature(w) * along)) + self.penalty * v


class NumPySoftmax(NumPyObjective):
    """loss_i = log sum_k exp(z_ik) - z_i,y_i, z_ik = x_i w_k; w is flat, class by class."""

    def set_labels(self, y: Any) -> None:
        self.own = self.np.arange(len(y)), y

    def evaluate(self, w: Any) -> tuple[float, Any, Any]:
        np = self.np
        Z = self.X @ self.rows(w).T  # (n, K)
        Z -= Z.max(axis=1, keepdims=True)
        own = Z[self.own].sum(dtype=float)
        P = np.exp(Z, out=Z)
        sums = P.sum(axis=1, keepdims=True)
        losses = np.log(sums).sum(dtype=float) - own
        P /= sums
        residual = P.copy()
        residual[self.own] -= 1
        return float(losses), self.pulled_back(residual), P

    def hessian(self, w: Any) -> Any:
        P, d = self.curvature(w), self.X.shape[1]
        found = self.np.empty((self.classes * d, self.classes * d))
        for j in range(self.classes):
            for k in range(j + 1):
                block = self.scale * self.weighted_gram(P[:, j] * ((j == k) - P[:, k]))
                found[j * d : (j + 1) * d, k * d : (k + 1) * d] = block
                found[k * d : (k + 1) * d, j * d : (j + 1) * d] = block.T
        found.flat[:: len(found) + 1] += self.penalty
        return found

    def product(self, w: Any, v: Any) -> Any:
        P = self.curvature(w)
        U = self.X @ self.rows(v).T
        U -= (P * U).sum(axis=1, keepdims=True)
        return self.scale * self.pulled_back(P * U).ravel() + self.penalty * v

    def rows(self, w: Any) -> Any:
        """w as (K, d), in the precision of X."""
        return w.reshape(self.classes, -1).astype(self.X.dtype)

    def pulled_back(self, R: Any) -> Any:
        """R^T X, (K, d)."""
        return (self.X.T @ R).T


def _stacked(X: Any, ones: Any) -> Any:
    from scipy.sparse import csr_matrix, hstack

    return hstack([X, csr_matrix(ones)], format="csr")
