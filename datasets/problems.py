"""What is raced on: an objective, a start, held-out rows, and a name for all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor

from solvers.names import lookup
from solvers.objectives import LogisticRegression

from .base import Dataset
from .breast_cancer import breast_cancer


@dataclass(frozen=True)
class Problem:
    """An objective with its start, and the loss on held-out rows (without penalty, same reduction)."""

    name: str
    summary: str
    objective: LogisticRegression
    held_out: LogisticRegression
    x0: Tensor
    checksum: str  # of the float64 data, whatever the dtype here

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and coefficients (the intercept included)."""
        return len(self.objective.y), self.objective.size


Builder = Callable[[torch.dtype, torch.device], Problem]


def logistic(
    data: Callable[[], Dataset],
    summary: str,
    name: str,
    dtype: torch.dtype,
    device: torch.device,
    *,
    penalty: float = 0.0,
    fit_intercept: bool = False,
) -> Problem:
    """Logistic regression on a data set: the mean loss, with l2 = penalty / n, that is `penalty` on the sum scale."""
    full = data()
    part = full.to(dtype, device)
    objective = LogisticRegression(part.X, part.y, l2=penalty / len(part.y), fit_intercept=fit_intercept)
    held_out = LogisticRegression(part.X_test, part.y_test, fit_intercept=fit_intercept)
    return Problem(name, summary, objective, held_out, objective.zeros(), full.checksum)


_standardised = cache(breast_cancer)
_means = cache(partial(breast_cancer, features=10))
_raw = cache(partial(breast_cancer, standardise=False))

SUMMARIES = {
    "breast-cancer": "the classic: 30 standardised features, no intercept, no penalty",
    "breast-cancer-l2": "the same with penalty 1 on the sum scale (l2 = 1/398)",
    "breast-cancer-mean10": "its ten mean features only, no penalty",
    "breast-cancer-raw": "30 features in their own units, an intercept, penalty 1 on the sum scale",
}
PROBLEMS: dict[str, Builder] = {
    name: partial(logistic, data, SUMMARIES[name], name, **settings)
    for name, data, settings in (
        ("breast-cancer", _standardised, {}),
        ("breast-cancer-l2", _standardised, {"penalty": 1.0}),
        ("breast-cancer-mean10", _means, {}),
        ("breast-cancer-raw", _raw, {"penalty": 1.0, "fit_intercept": True}),
    )
}


def build(name: str, dtype: torch.dtype = torch.float64, device: str | torch.device = "cpu") -> Problem:
    """The problem of that name in a dtype on a device; ValueError for an unknown name or a device that is not there."""
    builder = lookup(PROBLEMS, name, "problem")
    return builder(dtype, present_device(device))


def present_device(name: str | torch.device) -> torch.device:
    """The device, if torch can use it here; ValueError otherwise. Every CPU is "cpu"."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ValueError(f"device {str(name)!r} is not there, or not one that this torch can use: try cpu") from None
    return torch.device("cpu") if device.type == "cpu" else device
