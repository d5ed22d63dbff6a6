"""Arrays of a user's own as a problem."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ..problem import Problem
from .models import check, identity, problem, words
from .prepare import prepare
from .recipe import DIGITS
from .tables import Table


def problem_from_arrays(
    X: Any,
    y: Any,
    model: str = "logistic",
    l2: float = 0.0,
    name: str | None = None,
    *,
    fit_intercept: bool = True,
    standardise: bool = True,
    test_size: float = 0.3,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Problem:
    """A problem for `compare` or `minimize`, prepared as `--data` prepares a file.

    X (n, d): a NumPy array, a pandas DataFrame (text columns become 0 and 1), a SciPy matrix or a torch tensor, dense
        or CSR; sparse rows stay sparse. y (n,): the classes, as numbers or text.
    model: logistic, softmax or residual-mlp. l2: of l2/2 ||w||^2, added to the mean loss; the intercept is free.
    name: in tables; by default the model and six digits of the identity of rows and settings.
    standardise: columns of quantities to mean 0 and deviation 1 in the training part. test_size: share of held-out
    rows, in the same shares of the classes; 0 for none. What was done to columns and labels is said as a warning.
    Raises ValueError, or TypeError for what is no array.
    """
    check(model, l2, fit_intercept)
    table = Table(_features(X), _target(y), str(getattr(y, "name", None) or "y"))
    found = prepare(
        table, name or "arrays", model=model, standardise=standardise, test_size=test_size, seed=seed, keep_layout=True
    )
    for note in found.notes:
        warnings.warn(note, stacklevel=2)
    name = name or f"{model}-{identity(found.data, model, l2, fit_intercept)[:DIGITS]}"
    summary = words(found.data, found.classes, table.label, model, l2, fit_intercept)
    return problem(found.data, found.classes, name, summary, model, l2, fit_intercept, dtype, device)


def _features(X: Any) -> Any:
    if isinstance(X, Tensor):
        X = X.detach().cpu()
        if X.layout == torch.sparse_csr:
            parts = (X.values().double().numpy(), X.col_indices().numpy(), X.crow_indices().numpy())
            return sparse.csr_matrix(parts, shape=tuple(X.shape))
        if X.layout != torch.strided:
            raise TypeError(f"X has layout {X.layout}: convert it with .to_sparse_csr()")
        return X.double().numpy()
    if sparse.issparse(X):
        return sparse.csr_matrix(X)
    return X if hasattr(X, "columns") and hasattr(X, "isna") else np.asarray(X)


def _target(y: Any) -> Any:
    if isinstance(y, Tensor):
        y = y.detach().cpu().numpy()
    y = y if hasattr(y, "isna") else np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y.iloc[:, 0] if hasattr(y, "iloc") else y[:, 0]
    if y.ndim != 1:
        raise ValueError(f"y must have shape (n,), found {tuple(y.shape)}: give one value for each row")
    return y
