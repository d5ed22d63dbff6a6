"""Rows into a training and a test part, and columns onto one scale."""

from __future__ import annotations

import numpy as np
import torch

from .dataset import Dataset


def stratified_split(
    name: str,
    X: np.ndarray,
    y: np.ndarray,
    *,
    test_size: float = 0.3,
    seed: int = 0,
    standardise: bool = True,
    feature_names: tuple[str, ...] = (),
) -> Dataset:
    """X (n, d) and y (n,) as a float64 Dataset in which both parts hold the classes in the same shares.

    standardise: subtract the mean and divide by the standard deviation (ddof 0) of the training part; a column that
    is constant there is only centred.
    """
    from sklearn.model_selection import train_test_split

    parts = train_test_split(X, y, test_size=test_size, stratify=y, random_state=seed)
    X, X_test, y, y_test = (torch.as_tensor(part, dtype=torch.float64) for part in parts)
    if standardise:
        mean, deviation = X.mean(0), X.std(0, correction=0)
        deviation = deviation.where(deviation > 0, 1.0)
        X, X_test = (X - mean) / deviation, (X_test - mean) / deviation
    return Dataset(name, X.contiguous(), y, X_test.contiguous(), y_test, feature_names)
