"""X (n, d) whose rows are not all in memory: it gives blocks of them, and stands where a linear model has a tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor


class BlockedRows:
    """What linear models use of a tensor X, by passes over blocks of its rows.

    A subclass defines `shape`, `dtype`, `layout` (torch.strided or torch.sparse_csr), `stored` (its stored entries),
    `norm` (||X||_F) and `blocks()`. X w, X^T r, the Gram matrix of weighted rows and the like read every block once:
    one pass. The device is the CPU.
    """

    shape: torch.Size
    dtype: torch.dtype
    layout: torch.layout
    stored: int
    norm: float
    checksum: str  # of the rows
    device = torch.device("cpu")
    ndim = 2

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """The rows in order, (rows, block): dense or CSR tensors, each valid until the next one is asked for."""
        raise NotImplementedError

    def share(self, rank: int, size: int) -> tuple[BlockedRows, slice]:
        """The part of one of `size` processes, and which rows these are."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self.shape[0]

    def numel(self) -> int:
        return self.shape.numel()

    def element_size(self) -> int:
        return self.dtype.itemsize

    @property
    def is_sparse_csr(self) -> bool:
        return self.layout == torch.sparse_csr

    def to(self, dtype: torch.dtype, device: torch.device | str = "cpu") -> BlockedRows:
        if torch.device(device).type != "cpu":
            raise ValueError(f"rows on a disk are for the CPU, not for {device}: choose the device cpu")
        return self if dtype == self.dtype else _Mapped(self, lambda entries: entries.to(dtype), dtype)

    def double(self) -> BlockedRows:
        return self.to(torch.float64)

    def cpu(self) -> BlockedRows:
        return self

    def abs(self) -> BlockedRows:
        return _Mapped(self, torch.abs, self.dtype)

    @property
    def T(self) -> _Transposed:  # noqa: N802, as a tensor calls it
        return _Transposed(self)

    def __matmul__(self, w: Tensor) -> Tensor:
        """X w, (n,) or (n, K), for w (d,) or (d, K)."""
        product = w.new_empty(len(self), *w.shape[1:])
        for rows, block in self.blocks():
            product[rows] = block @ w
        return product

    def __rmatmul__(self, R: Tensor) -> Tensor:
        """R X, (K, d), for R (K, n)."""
        return (self.T @ R.T).T

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Tensor:
        """torch.mv(X, w, out=...) and R @ X, which torch asks of what is no tensor."""
        left, right = arguments
        if function is torch.mv:
            product, out = left @ right, (keywords or {}).get("out")
            return product if out is None else out.copy_(product)
        if isinstance(right, BlockedRows) and function in (torch.Tensor.__matmul__, torch.Tensor.matmul, torch.matmul):
            return right.__rmatmul__(left)
        return NotImplemented

    def take(self, rows: Tensor, taken: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """A dense tensor of the given rows, (m, d), in their order, by one pass; rows: (m,) int64.

        taken: gives that of a block.
        """
        found = torch.empty(len(rows), self.shape[1], dtype=self.dtype)
        ascending, order = rows.sort()
        for part, block in self.blocks():
            first, last = torch.searchsorted(ascending, torch.tensor([part.start, part.stop])).tolist()
            if last > first:
                found[order[first:last]] = taken(block, ascending[first:last] - part.start)
        return found


class _Mapped(BlockedRows):
    """The same rows with a function of each stored entry."""

    def __init__(self, source: BlockedRows, function: Callable[[Tensor], Tensor], dtype: torch.dtype) -> None:
        self.source, self.function, self.dtype = source, function, dtype
        self.shape, self.layout, self.stored, self.norm = source.shape, source.layout, source.stored, source.norm

    def share(self, rank: int, size: int) -> tuple[BlockedRows, slice]:
        part, rows = self.source.share(rank, size)
        return _Mapped(part, self.function, self.dtype), rows

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        for rows, block in self.source.blocks():
            if self.layout == torch.sparse_csr:
                parts = block.crow_indices(), block.col_indices(), self.function(block.values())
                yield rows, torch.sparse_csr_tensor(*parts, block.shape, check_invariants=False)
            else:
                yield rows, self.function(block)


class _Transposed:
    """X^T, for products."""

    def __init__(self, rows: BlockedRows) -> None:
        self.rows = rows

    def __matmul__(self, r: Tensor) -> Tensor:
        """X^T r, (d,) or (d, K), for r (n,) or (n, K)."""
        product = r.new_zeros(self.rows.shape[1], *r.shape[1:])
        for rows, block in self.rows.blocks():
            add_transposed_product(product, block, r[rows])
        return product


def add_transposed_product(product: Tensor, block: Tensor, r: Tensor) -> None:
    """Add block^T r to `product`, (d,) or (d, K), in place."""
    if block.layout != torch.sparse_csr:
        product.addmv_(block.T, r) if r.ndim == 1 else product.addmm_(block.T, r)
        return
    # A product with the transpose would need it as CSR. On 100,000 x 1,000 with 5 % stored this took 0.4 of index_add.
    columns, lengths = block.col_indices(), block.crow_indices().diff()
    for total, weights in zip(product.view(len(product), -1).T, r.reshape(len(r), -1).T, strict=True):
        terms = block.values() * torch.repeat_interleave(weights, lengths)
        total.add_(torch.bincount(columns, terms, minlength=len(product)))
