"""From a table to a data set: encoded, split, without constant columns, standardised by the training part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ..loaders.dataset import Dataset, csr_tensor
from .features import LARGEST, Features, features
from .models import MODELS
from .tables import Table, columns
from .targets import Classes, classes

DENSITY = 0.25  # share of entries that are not 0, from which on rows are stored densely
HUGE = 1e100  # columns with larger entries are divided by these first: their squares overflow


@dataclass(frozen=True)
class Prepared:
    """A data set, the labels of its classes, and what was done to the user's columns, a sentence each."""

    data: Dataset
    class_names: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def classes(self) -> int:
        return len(self.class_names)


def prepare(
    table: Table, name: str, *, model: str, standardise: bool, test_size: float, seed: int, keep_layout: bool = False
) -> Prepared:
    """Raises ValueError, one sentence, for a table that no model can use. keep_layout: SciPy matrices stay sparse."""
    if not 0 <= test_size < 1:
        raise ValueError(f"the share of held-out rows must be at least 0 and below 1, found {test_size:g}")
    n = table.features.shape[0]
    if n != len(table.target):
        raise ValueError(
            f"there are {n:,} rows and {len(table.target):,} values of {table.label!r}: give one for each row"
        )
    if n == 0:
        raise ValueError("there are names of columns and no rows: give a table with rows")
    if table.features.ndim == 2 and table.features.shape[1] == 0:
        raise ValueError(f"there is no column beside {table.label!r}: give columns to predict it from")
    found = features(table.features, table.names)
    target = classes(table.target, table.label, model, MODELS[model].classes, ", ".join(MODELS))
    train, test, unstratified = split(target, test_size, seed)
    X, names, measured, constant = without_constants(found, train)
    notes = [*target.notes, *found.notes, *unstratified, *constant]
    full = not keep_layout and sparse.issparse(X) and X.nnz >= DENSITY * X.shape[0] * X.shape[1]
    if sparse.issparse(X) and (full or not MODELS[model].takes_sparse):
        X = X.toarray()
    if standardise:
        X, scaled = standardised(X, measured, train)
        notes += scaled
    elif (largest := abs(X).max()) > LARGEST:
        raise ValueError(f"X has entries up to {largest:.1g}, whose squares overflow: standardise the columns")
    y = torch.as_tensor(target.y)
    data = Dataset(name, _tensor(X[train]), y[train], _tensor(X[test]), y[test], names)
    return Prepared(data, target.names, tuple(notes))


def split(target: Classes, test_size: float, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The training rows and the held-out ones, with the classes in the same shares where there are rows enough."""
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(target.y))
    if test_size == 0:
        return rows, rows[:0], []
    held_out = int(np.ceil(test_size * len(rows)))
    if len(rows) - held_out < 2:
        raise ValueError(f"{len(rows)} rows are too few to hold out {test_size:.0%}: take fewer, or none with 0")
    least = min(held_out, len(rows) - held_out)
    stratified = np.bincount(target.y.astype(int)).min() >= 2 and least >= target.count
    train, test = train_test_split(
        rows, test_size=test_size, random_state=seed, stratify=target.y if stratified else None
    )
    if len(np.unique(target.y[train])) < 2:
        raise ValueError("the training part has one class alone: hold out fewer rows (--test-size), or add some")
    return train, test, [] if stratified else ["a class has too few rows for both parts: rows are held out at random"]


def without_constants(found: Features, train: np.ndarray) -> tuple[Any, tuple[str, ...], np.ndarray, list[str]]:
    """Without the columns that have one value in the training part: nothing can be learned of their coefficients."""
    part = found.X[train]
    low, high = (end.toarray().ravel() if sparse.issparse(end) else end for end in (part.min(axis=0), part.max(axis=0)))
    keep = low < high
    if not keep.any():
        raise ValueError("every column is constant in the training part: give columns that vary")
    names = np.array(found.names, dtype=object)
    left_out = list(names[~keep])
    if not left_out:
        return found.X, found.names, found.measured, []
    verb = "are" if len(left_out) > 1 else "is"
    note = f"{columns(left_out)} {verb} constant in the training part and left out"
    return found.X[:, keep], tuple(names[keep]), found.measured[keep], [note]


def standardised(X: Any, measured: np.ndarray, train: np.ndarray) -> tuple[Any, list[str]]:
    """Columns of quantities with mean 0 and standard deviation 1 (ddof 0) in the training part; sparse ones are only
    divided by their deviation, so that zeros stay zeros."""
    if not measured.any():
        return X, []
    from sklearn.preprocessing import StandardScaler

    largest = abs(X[train]).max(axis=0)
    largest = largest.toarray().ravel() if sparse.issparse(largest) else largest
    units = np.where(measured & (largest > HUGE), largest, 1.0)
    if sparse.issparse(X):
        X = sparse.csr_matrix(X @ sparse.diags(1 / units))
        scale = np.where(measured, StandardScaler(with_mean=False).fit(X[train]).scale_, 1.0)
        return sparse.csr_matrix(X @ sparse.diags(1 / scale)), [
            "X is sparse: columns are divided by their standard deviation and not centred, so that zeros stay zeros"
        ]
    X = X / units
    fitted = StandardScaler().fit(X[train])
    mean, scale = np.where(measured, fitted.mean_, 0.0), np.where(measured, fitted.scale_, 1.0)
    return (X - mean) / scale, []


def _tensor(X: Any) -> Tensor:
    return csr_tensor(X) if sparse.issparse(X) else torch.as_tensor(np.ascontiguousarray(X))
