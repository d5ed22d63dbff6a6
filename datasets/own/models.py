"""The models that a user's own data can be fitted by."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from solvers.common.names import lookup
from solvers.objectives import LogisticRegression, Objective, ResidualMLP, SoftmaxRegression

from ..loaders.dataset import Dataset
from ..problem import Problem

Parts = tuple[Objective, Objective | None, Tensor]  # the objective, the same on the held-out rows, the start


class Model(NamedTuple):
    """classes: how many it needs; None: two or more. make: from data, the number of classes, l2 and fit_intercept."""

    classes: int | None
    make: Callable[[Dataset, int, float, bool], Parts]
    takes_sparse: bool = True
    takes_blocks: bool = True


def _logistic(data: Dataset, classes: int, l2: float, fit_intercept: bool) -> Parts:
    objective = LogisticRegression(data.X, data.y, l2, fit_intercept)
    held_out = LogisticRegression(data.X_test, data.y_test, 0.0, fit_intercept) if len(data.y_test) else None
    return objective, held_out, objective.zeros()


def _softmax(data: Dataset, classes: int, l2: float, fit_intercept: bool) -> Parts:
    objective = SoftmaxRegression(data.X, data.y, classes, l2, fit_intercept)
    held_out = SoftmaxRegression(data.X_test, data.y_test, classes, 0.0, fit_intercept) if len(data.y_test) else None
    return objective, held_out, objective.zeros()


def _residual_mlp(data: Dataset, classes: int, l2: float, fit_intercept: bool) -> Parts:
    """One hidden layer as wide as the input; two classes have one output. The start is random, from seed 0."""

    def over(X: Tensor, y: Tensor) -> ResidualMLP:
        return ResidualMLP(X, y if classes == 2 else one_hot(y.long(), classes).to(X), depth=1)

    objective = over(data.X, data.y)
    held_out = over(data.X_test, data.y_test) if len(data.y_test) else None
    return objective, held_out, objective.random_start(torch.Generator().manual_seed(0))


MODELS = {
    "logistic": Model(2, _logistic),
    "softmax": Model(None, _softmax),
    "residual-mlp": Model(None, _residual_mlp, takes_sparse=False, takes_blocks=False),
}


def check(model: str, l2: float, fit_intercept: bool) -> None:
    """Raise ValueError for a model that is not here, or a penalty that it cannot have."""
    if model not in MODELS:
        raise ValueError(f"there is no model {model!r} for own data: choose {', '.join(MODELS)}")
    if not (l2 >= 0 and math.isfinite(l2)):
        raise ValueError(f"l2 must be a finite number >= 0, found {l2}")
    if model == "residual-mlp" and (l2 != 0 or not fit_intercept):
        raise ValueError("residual-mlp has no penalty and always has biases: leave l2 and the intercept as they are")


def identity(data: Dataset, model: str, l2: float, fit_intercept: bool) -> str:
    """SHA-256 over the rows and the settings of the model: own data changes without a change of code."""
    settings = json.dumps([data.checksum, model, l2, fit_intercept])
    return hashlib.sha256(settings.encode()).hexdigest()


def problem(
    data: Dataset,
    classes: int,
    name: str,
    summary: str,
    model: str,
    l2: float,
    fit_intercept: bool,
    dtype: torch.dtype,
    device: torch.device | str,
) -> Problem:
    parts = lookup(MODELS, model, "model").make(data.to(dtype, device), classes, l2, fit_intercept)
    return Problem(name, summary, *parts, identity(data, model, l2, fit_intercept))


def words(data: Dataset, classes: int, label: str, model: str, l2: float, fit_intercept: bool) -> str:
    """What a problem is, in a line."""
    return ", ".join(
        filter(
            None,
            [
                f"{model} of {label!r} ({classes} classes)" if classes > 2 else f"{model} of {label!r}",
                f"{len(data.y):,} x {data.X.shape[1]:,}" + " in CSR layout" * (data.X.layout == torch.sparse_csr),
                f"l2 = {l2:g}" if l2 else "no penalty",
                "an intercept" if fit_intercept else "no intercept",
            ],
        )
    )
