"""A hard problem of the audit: a small regression from a seed, and whether it has a minimiser."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from solvers.objectives import LogisticRegression, SoftmaxRegression

LOGISTIC, SOFTMAX = "logistic", "softmax"
MODELS = {LOGISTIC: LogisticRegression, SOFTMAX: SoftmaxRegression}
DTYPES = ("float64", "float32")
Model = LogisticRegression | SoftmaxRegression


@dataclass(frozen=True)
class Case:
    """A problem in float64, from which the one in float32 is made by rounding its entries.

    kind: what is hard about it. minimiser: whether there is one, by construction; the truth must agree. extreme: its
    condition number is above 1e14. start: where solvers begin that can be told; None: at 0. model: of MODELS.
    dtypes: without float32 where rounding the entries changes what the case is about.
    """

    name: str
    kind: str
    X: Tensor  # (n, d), float64
    y: Tensor  # (n,)
    settings: dict[str, Any] = field(default_factory=dict)
    minimiser: bool = True
    extreme: bool = False
    start: float | None = None  # the size of every entry of x0
    model: str = LOGISTIC
    dtypes: tuple[str, ...] = DTYPES

    def objective(self, dtype: str) -> Model:
        kind = getattr(torch, dtype)
        return MODELS[self.model](self.X.to(kind), self.y.to(kind), **self.settings)

    def x0(self, objective: Model) -> Tensor:
        """With softmax regression the sign alternates from class to class: equal rows would leave every margin at 0."""
        zeros = objective.zeros()
        if self.start is None:
            return zeros
        if self.model == LOGISTIC:
            return zeros + self.start
        signs = 1 - 2 * (torch.arange(objective.classes) % 2)
        return (objective.rows(zeros) + self.start * signs.unsqueeze(1)).flatten()

    @property
    def checksum(self) -> str:
        """SHA-256 of all that determines it."""
        digest = hashlib.sha256(self.X.numpy().tobytes() + self.y.numpy().tobytes())
        digest.update(
            repr((self.model, sorted(self.settings.items()), self.minimiser, self.extreme, self.start)).encode()
        )
        return digest.hexdigest()


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def column(*entries: float) -> Tensor:
    return torch.tensor(entries, dtype=torch.float64).unsqueeze(1)


def vector(*entries: float) -> Tensor:
    return torch.tensor(entries, dtype=torch.float64)


def kind_of(make: Callable[..., None]) -> str:
    """What is hard about the cases of a function: its docstring up to the colon."""
    return (make.__doc__ or "").split(":")[0].rstrip(".").lower()
