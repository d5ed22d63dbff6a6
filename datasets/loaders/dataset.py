"""A data set: training and test rows as tensors, with a checksum of their contents."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from functools import cached_property

import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from solvers.common.blocked_rows import BlockedRows


@dataclass(frozen=True)
class Dataset:
    """Training rows X (n, d), y (n,) and test rows X_test, y_test, all of one dtype on one device."""

    name: str
    X: Tensor
    y: Tensor
    X_test: Tensor
    y_test: Tensor
    feature_names: tuple[str, ...] = ()

    def to(self, dtype: torch.dtype, device: torch.device | str) -> Dataset:
        """The same rows in another dtype or on another device."""
        parts = (part.to(device=device, dtype=dtype) for part in (self.X, self.y, self.X_test, self.y_test))
        return Dataset(self.name, *parts, self.feature_names)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over the shapes and the bytes of the four tensors."""
        digest = hashlib.sha256()
        for part in (self.X, self.y, self.X_test, self.y_test):
            digest.update(str(tuple(part.shape)).encode())
            if isinstance(part, BlockedRows):
                digest.update(part.checksum.encode())
                continue
            sparse = part.layout == torch.sparse_csr
            for array in (part.crow_indices(), part.col_indices(), part.values()) if sparse else (part,):
                digest.update(array.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def csr_tensor(X: csr_matrix) -> Tensor:
    """A scipy CSR matrix as a torch CSR tensor (n, d), without torch's warning that these are in beta state."""
    indices = (torch.as_tensor(part.astype("int64")) for part in (X.indptr, X.indices))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(*indices, torch.as_tensor(X.data), X.shape, check_invariants=True)
