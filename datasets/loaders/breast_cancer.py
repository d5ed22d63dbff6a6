"""Wisconsin breast cancer: 569 tumours, 30 features of their cell nuclei, malignant (0) or benign (1)."""

from __future__ import annotations

from .dataset import Dataset
from .split import stratified_split


def breast_cancer(
    test_size: float = 0.3, seed: int = 0, *, standardise: bool = True, features: int | None = None
) -> Dataset:
    """scikit-learn's copy (Wolberg & Street, UCI 1995), float64: a stratified split, 398 and 171 rows by default.

    standardise: subtract the mean and divide by the standard deviation (ddof 0) of the training part.
    features: only the first so many; the first ten are the means of the ten measured quantities.
    """
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    columns = slice(None if features is None else features)
    return stratified_split(
        "breast cancer",
        bunch.data[:, columns],
        bunch.target,
        test_size=test_size,
        seed=seed,
        standardise=standardise,
        feature_names=tuple(str(name) for name in bunch.feature_names[columns]),
    )
