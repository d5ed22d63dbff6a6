"""Wisconsin breast cancer: 569 tumours, 30 features of their cell nuclei, malignant (0) or benign (1)."""

from __future__ import annotations

import torch

from .base import Dataset


def breast_cancer(
    test_size: float = 0.3, seed: int = 0, *, standardise: bool = True, features: int | None = None
) -> Dataset:
    """scikit-learn's copy (Wolberg & Street, UCI 1995), float64: a stratified split, 398 and 171 rows by default.

    standardise: subtract the mean and divide by the standard deviation (ddof 0) of the training part.
    features: only the first so many; the first ten are the means of the ten measured quantities.
    """
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    bunch = load_breast_cancer()
    columns = slice(None if features is None else features)
    names = tuple(str(name) for name in bunch.feature_names[columns])
    split = train_test_split(
        bunch.data[:, columns], bunch.target, test_size=test_size, stratify=bunch.target, random_state=seed
    )
    X, X_test, y, y_test = (torch.as_tensor(part, dtype=torch.float64) for part in split)
    if standardise:
        mean, deviation = X.mean(0), X.std(0, correction=0)
        X, X_test = (X - mean) / deviation, (X_test - mean) / deviation
    return Dataset("breast cancer", X.contiguous(), y, X_test.contiguous(), y_test, names)
