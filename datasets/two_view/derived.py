"""Data made from other data: correlated columns, odd digits against even ones."""

from __future__ import annotations

import math
from dataclasses import replace

from ..loaders.dataset import Dataset
from ..loaders.synthetic import synthetic
from .mnist import mnist


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


def odd_even() -> Dataset:
    """MNIST with label 1 for odd digits."""
    digits = mnist()
    return replace(digits, name="MNIST, odd or even", y=digits.y % 2, y_test=digits.y_test % 2)
