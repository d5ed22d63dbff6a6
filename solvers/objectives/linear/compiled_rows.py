"""Products with a sparse X by compiled kernels: X^T is not made, and a Gram matrix costs what is stored."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...linalg.kernels import is_sparse
from .compiled_point import computed_by_torch

FACTOR_RATE = 60.0  # multiplications of a factorisation, d^3 of them, in the time of one of `gram`
ROW = 8.0  # and those in the time that a row takes beside its entries, in both products: w8a 20, regular rows fewer


@cache
def kernels() -> Any:
    """The compiled functions; None where Numba is not installed. The first call takes some tenths of a second."""
    if find_spec("numba") is None:
        return None
    from ...linalg import compiled_csr

    return compiled_csr


class CompiledRows(NamedTuple):
    """A sparse X (n, d), for the kernels of `linalg.compiled_csr`. Every result has the precision of X."""

    pointers: np.ndarray  # (n + 1,)
    columns: np.ndarray  # (stored,)
    values: np.ndarray  # (stored,)
    d: int
    pairs: float  # of stored entries that share a row: the multiplications of `gram`

    @property
    def n(self) -> int:
        return len(self.pointers) - 1

    @property
    def hessian_price(self) -> float:
        """Of the Gram matrix and its factor, in gradients: two products, whose rows take as long as some entries each.

        In milliseconds 2.4 and 1.0 on w8a (34,824 x 300), 1.4 and 0.40 on a9a (32,561 x 123), 0.55 and 0.075 on 5,000 x
        300 with 15 entries a row.
        """
        hessian = self.pairs + self.d**2 + self.d**3 / FACTOR_RATE
        return hessian / (2 * max(len(self.values), 1) + ROW * len(self.pointers))

    def _matrix(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.pointers, self.columns, self.values

    def _result(self, sums: np.ndarray) -> Tensor:
        return torch.from_numpy(sums.astype(self.values.dtype, copy=False))

    def transposed_product(self, u: Tensor) -> Tensor:
        """X^T u, (d,)."""
        sums = np.zeros(self.d)
        kernels().transposed_product(*self._matrix(), _array(u, self.n), sums)
        return self._result(sums)

    def square_sums(self, weights: Tensor) -> Tensor:
        """diag(X^T diag(weights) X), (d,)."""
        sums = np.zeros(self.d)
        kernels().square_sums(*self._matrix(), _array(weights, self.n), sums)
        return self._result(sums)

    def hessian_product(self, weights: Tensor, v: Tensor) -> Tensor:
        """X^T (weights * X v), (d,)."""
        sums = np.zeros(self.d)
        kernels().hessian_product(*self._matrix(), _array(weights, self.n), _array(v, self.d), sums)
        return self._result(sums)

    def gram(self, weights: Tensor, scale: float, penalty: float) -> Tensor:
        """scale X^T diag(weights) X + penalty I, (d, d)."""
        out = np.empty((self.d, self.d), self.values.dtype)
        kernels().gram(*self._matrix(), _array(weights, self.n), scale, penalty, np.zeros((self.d, self.d)), out)
        return torch.from_numpy(out)


def _array(vector: Tensor, length: int) -> np.ndarray:
    """As the kernels were compiled for, which test no index; one number that is repeated has no memory of its own."""
    if vector.shape != (length,):
        raise ValueError(f"a vector of {length} is needed, got the shape {tuple(vector.shape)}")
    return vector.contiguous().numpy()


def rows_of(objective: Any) -> CompiledRows | None:
    """None where compiled kernels are not for that problem, or not there."""
    X = objective.X_short
    on_cpu = isinstance(X, Tensor) and is_sparse(X) and X.device.type == "cpu"
    if not on_cpu or computed_by_torch() or kernels() is None:
        return None
    pointers, columns, values = (part.numpy() for part in (X.crow_indices(), X.col_indices(), X.values()))
    if columns.dtype != np.int32:  # more than 2^31 entries
        return None
    _warm_up(values.dtype.type)
    lengths = np.diff(pointers).astype(np.float64)
    pairs = 0.5 * float(np.square(lengths).sum() + len(values))  # by BLAS this took 5 ms where its threads were busy
    return CompiledRows(pointers, columns, values, X.shape[1], pairs)


@cache
def _warm_up(kind: Any) -> None:
    """Compile, or load what an earlier process has compiled, before any clock runs."""
    rows = CompiledRows(np.array([0, 1], np.int32), np.zeros(1, np.int32), np.ones(1, kind), 1, 1.0)
    one = torch.from_numpy(np.ones(1, kind))
    rows.transposed_product(one), rows.square_sums(one), rows.hessian_product(one, one), rows.gram(one, 1.0, 1.0)
