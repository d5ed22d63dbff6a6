"""The rows of one process: about as many in each, and consecutive."""

from __future__ import annotations

from inspect import signature
from typing import Any

import torch
from torch import Tensor

from ..common.blocked_rows import BlockedRows
from ..linalg.kernels import is_sparse
from ..objectives.linear.model import LinearModel

NO_ROWS = (
    "a {} has no rows that could be divided over processes: start it without torchrun, or choose a logistic or softmax "
    "regression"
)


def share(n: int, rank: int, size: int) -> slice:
    """The rows of a process, of n over `size` of them. ValueError where some process would have none."""
    if n < size:
        raise ValueError(f"{n} rows cannot be divided over {size} processes: start at most {n}")
    return slice(n * rank // size, n * (rank + 1) // size)


def some_rows(X: Tensor, rows: slice) -> Tensor:
    """Consecutive rows of X, dense or CSR: a view of their entries."""
    if not is_sparse(X):
        return X[rows]
    pointers = X.crow_indices()[rows.start : rows.stop + 1]
    first, last = int(pointers[0]), int(pointers[-1])
    parts = pointers - first, X.col_indices()[first:last], X.values()[first:last]
    return torch.sparse_csr_tensor(*parts, (len(pointers) - 1, X.shape[1]), check_invariants=False)


def part_of(objective: Any, rank: int, size: int) -> LinearModel:
    """The same model over the rows of one process. TypeError for an objective that is no linear model."""
    if not isinstance(objective, LinearModel):
        raise TypeError(NO_ROWS.format(type(objective).__name__))
    X = objective.X
    if isinstance(X, BlockedRows):
        X, rows = X.share(rank, size)
    else:
        rows = share(len(X), rank, size)
        X = some_rows(X, rows)
    return type(objective)(**arguments_of(objective) | {"X": X, "y": objective.y[rows]})


def arguments_of(objective: LinearModel) -> dict[str, Any]:
    """What a model was made with."""
    return {name: getattr(objective, name) for name in signature(type(objective)).parameters}
