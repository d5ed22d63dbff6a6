"""A peer: a method of another library, given our objective, and its own report of how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from ..common.blocked_rows import BlockedRows
from ..core.arguments import default_start
from ..linalg.kernels import is_sparse
from ..objectives import LogisticRegression, Objective, SoftmaxRegression

FLOATS = ("float64", "float32")
MAX_ITERATIONS = 10_000  # iterations: a peer ends by its own test, or by the caller's patience


class MissingPeerError(RuntimeError):
    """One sentence: which package is not there, and the command that installs it."""


@dataclass(frozen=True)
class Claim:
    """The end point of a peer's fit, and its own unverified report.

    w: (size,), in float64, laid out as our objective's. iterations: None where the library does not count them.
    success: whether it reports convergence.
    """

    w: Tensor
    iterations: int | None
    success: bool
    message: str = ""


Fit = Callable[[float], Claim]  # from the tolerance


class Peer(Protocol):
    """A frozen dataclass of settings.

    `prepare` takes an objective in the dtype and the layout (dense or CSR) that the peer shall work in, and puts the
    data in the form the peer likes best: this is meant to happen before a clock starts. What it returns fits, from
    `start` (0 where that is None): checks of the input and all else that a library does in `fit` are inside. Raises
    MissingPeerError, and ValueError for an objective that the method cannot express.
    """

    takes_any_objective: ClassVar[bool]  # by its points; if False, it fits some models only
    iterations: int  # at most; a fit that ends there claims no success
    dtypes: tuple[str, ...]  # of the data it can work on without a copy in another

    @property
    def needs(self) -> str:
        """The most expensive derivative it asks a point for, or assembles itself: as DirectionalSolver.needs."""

    def prepare(self, objective: Any, start: Tensor | None = None) -> Fit: ...


def require(module: str, package: str, extra: str = "peers") -> ModuleType:
    """An optional module; MissingPeerError, which names the extra to install, where its package is not installed."""
    exact = has_subnormals()
    try:
        return import_module(module)
    except ImportError as error:
        reason = "is not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be imported ({error})"
        remedy = f"python -m pip install -c constraints.txt -e '.[{extra}]'"
        raise MissingPeerError(f"{package} {reason}: {remedy}") from None
    finally:
        if exact and not has_subnormals():  # Snap ML's library, built for fast arithmetic, switches it for all
            torch.set_flush_denormal(False)


def has_subnormals() -> bool:
    """Whether this thread computes with subnormal numbers, rather than flushing them to 0."""
    return bool(torch.full((1,), 5e-324, dtype=torch.float64).mul(1.0) > 0)


def rebuilt(f: LogisticRegression | SoftmaxRegression) -> LogisticRegression | SoftmaxRegression:
    """The same objective made anew from its data, with all its checks."""
    return f.over(f.X)


def starting_point(objective: Objective, start: Tensor | None) -> Tensor:
    """The start of a peer that takes any objective: a copy, since some work in place."""
    return (default_start(objective) if start is None else start).clone()


def logistic(objective: Any, start: Tensor | None, method: str) -> LogisticRegression:
    """What a peer of one model takes: logistic regression, from 0."""
    require_that(isinstance(objective, LogisticRegression), method, "fits logistic regression alone")
    from_zero(start, method)
    return objective


def softmax(objective: Any, start: Tensor | None, method: str) -> SoftmaxRegression:
    """What a peer of softmax regression takes: it, with a row of each class, from 0."""
    require_that(isinstance(objective, SoftmaxRegression), method, "fits logistic and softmax regression alone")
    require_that(objective.absent_class is None, method, "needs a row of each class")
    from_zero(start, method)
    return objective


def from_zero(start: Tensor | None, method: str) -> None:
    require_that(start is None or not bool(start.any()), method, "starts from 0 alone")


def rows_and_labels(f: LogisticRegression | SoftmaxRegression) -> tuple[Any, Any]:
    """X as a C-ordered NumPy array or a SciPy CSR matrix with 32-bit indices, and y, without copies of the numbers."""
    if isinstance(f.X, BlockedRows):
        raise ValueError("this peer takes rows in memory, and these are on a disk: choose one of our solvers")
    if not is_sparse(f.X):
        return f.X.contiguous().numpy(), f.y.numpy()
    from scipy.sparse import csr_matrix

    X, y = f.X, f.y
    indices = [part.to(torch.int32).numpy() for part in (X.col_indices(), X.crow_indices())]
    return csr_matrix((X.values().numpy(), *indices), shape=tuple(X.shape)), y.numpy()


def require_that(condition: bool, method: str, what: str) -> None:
    """ValueError where a method cannot express an objective."""
    if not condition:
        raise ValueError(f"{method} {what}: it cannot fit this objective")
