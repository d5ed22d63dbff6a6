"""Cross-validation over penalties: folds times paths, every fit certified."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..adapters.base import require
from ..common.validation import whole
from ..core.minimize import Result, minimize
from ..core.stopping import Status, Stop
from ..newton.cholesky import CholeskyNewton
from ..objectives import LogisticRegression
from .path import regularization_path

Metric = Callable[[Any, Tensor], float]  # of the objective of the held-out rows, without a penalty, and of x


def log_loss(held_out: Any, x: Tensor) -> float:
    """The mean loss of a row."""
    return held_out.at(x).float_value / (held_out.scale * len(held_out.y))


def accuracy(held_out: Any, x: Tensor) -> float:
    return held_out.accuracy(x)


METRICS: dict[str, tuple[Metric, bool]] = {"log_loss": (log_loss, False), "accuracy": (accuracy, True)}


@dataclass(frozen=True)
class CrossValidation:
    """best: the l2 with the best mean score; the largest of several. result: the fit with it on all rows.

    l2s: as given. scores, statuses: (folds, penalties); a score is NaN where its fit did not converge.
    """

    best: float
    result: Result
    l2s: list[float]
    scores: Tensor
    statuses: list[list[Status]]


def cross_validate(
    X: Tensor,
    y: Tensor,
    l2s: Iterable[float],
    *,
    objective: Callable[..., Any] = LogisticRegression,
    folds: int | Iterable[tuple[Any, Any]] = 5,
    metric: str | Metric = "log_loss",
    solver: Any = CholeskyNewton(),
    stop: Stop = Stop(),
    fit_intercept: bool = True,
    seed: int | None = None,
) -> CrossValidation:
    """Choose a penalty by the mean score over folds, and fit all rows with it.

    objective: called as objective(X, y, l2=..., fit_intercept=...). Set more by functools.partial: reduction="sum"
        makes l2 = 1/C of scikit-learn's LogisticRegressionCV, and SoftmaxRegression needs classes=K.
    folds: how many stratified folds of scikit-learn, shuffled by `seed` unless it is None; or pairs of row numbers,
        (training, held out).
    metric: "log_loss" (least is best), "accuracy", or a function of the held-out rows' objective and x (largest is
        best).
    A penalty is compared only if its fits converged in every fold.
    Raises ValueError where that holds of none, TypeError or ValueError for wrong arguments.
    """
    if isinstance(metric, str) and metric not in METRICS:
        raise ValueError(f"metric must be a function or one of {', '.join(METRICS)}, found {metric!r}")
    score, largest = METRICS[metric] if isinstance(metric, str) else (metric, True)
    numbers = [float(l2) for l2 in l2s]
    scores, statuses = [], []
    for train, out in _pairs(y, folds, seed):
        path = regularization_path(
            solver, objective(X[train], y[train], l2=1.0, fit_intercept=fit_intercept), numbers, stop=stop
        )
        held_out = objective(X[out], y[out], l2=0.0, fit_intercept=fit_intercept)
        ends = [result.status for result in path.results]
        found = [score(held_out, r.x) if r.status == Status.CONVERGED else math.nan for r in path.results]
        scores.append(found)
        statuses.append(ends)
    table = torch.tensor(scores, dtype=torch.float64)
    means = table.mean(0).tolist()
    known = [k for k, mean in enumerate(means) if not math.isnan(mean)]
    if not known:
        raise ValueError("no penalty has fits that converged in every fold: give larger penalties or more iterations")
    k = max(known, key=lambda k: (means[k] if largest else -means[k], numbers[k]))
    result = minimize(solver, objective(X, y, l2=numbers[k], fit_intercept=fit_intercept), stop=stop)
    return CrossValidation(numbers[k], result, numbers, table, statuses)


def _pairs(y: Tensor, folds: Any, seed: int | None) -> list[tuple[Tensor, Tensor]]:
    if isinstance(folds, int):
        splits = require("sklearn.model_selection", "scikit-learn").StratifiedKFold(
            whole("folds", folds, least=2), shuffle=seed is not None, random_state=seed
        )
        labels = y.cpu().numpy()
        folds = splits.split(labels, labels)
    return [tuple(torch.as_tensor(rows, device=y.device) for rows in pair) for pair in folds]
