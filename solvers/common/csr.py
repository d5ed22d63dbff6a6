"""CSR tensors checked where they enter: torch accepts any indices, and its products read memory out of bounds."""

from __future__ import annotations

import torch
from torch import Tensor

INDICES = (torch.int32, torch.int64)


def checked_csr(name: str, X: Tensor) -> Tensor:
    """The same matrix, (n, d), with ascending column indices in every row, each of them once.

    X itself where it is so already; else a new tensor, in which entries that share a row and a column are added up.
    ValueError where indices or row pointers belong to no matrix of this shape. O(stored), and a sort for a new tensor.
    """
    pointers, columns = X.crow_indices(), X.col_indices()
    _check_pointers(name, X, pointers, columns)
    if columns.numel() == 0:
        return X
    _check_columns(name, X, pointers, columns)
    falls = columns[1:] <= columns[:-1]  # (stored - 1,)
    starts = pointers[(pointers > 0) & (pointers < columns.numel())]
    falls[starts.long() - 1] = False  # from one row to the next
    return _summed(X, pointers, columns) if int(falls.count_nonzero()) else X  # `any` took twice as long


def _check_pointers(name: str, X: Tensor, pointers: Tensor, columns: Tensor) -> None:
    n, stored = len(X), X.values().numel()
    if pointers.dtype != columns.dtype or columns.dtype not in INDICES:
        found = f"row pointers in {pointers.dtype} and column indices in {columns.dtype}"
        raise ValueError(f"{name} has {found}: pass both as torch.int64, or both as torch.int32")
    if columns.numel() != stored:
        raise ValueError(f"{name} has {columns.numel()} column indices for {stored} values: pass one for each value")
    if pointers.numel() != n + 1:
        raise ValueError(f"{name} has {pointers.numel()} row pointers for {n} rows: pass {n + 1}, from 0 to {stored}")
    falls = pointers[1:] < pointers[:-1]  # a difference of two int32 may overflow
    first, last, wrong = torch.stack([pointers[0].long(), pointers[-1].long(), falls.any().long()]).tolist()
    if first != 0:
        raise ValueError(f"the row pointers of {name} start at {first}: they must start at 0")
    if last != stored:
        raise ValueError(
            f"the row pointers of {name} end at {last}, with {stored} stored entries: end them at {stored}"
        )
    if wrong:
        row = int(falls.nonzero()[0])
        found = f"from {int(pointers[row])} to {int(pointers[row + 1])} at row {row}"
        raise ValueError(f"the row pointers of {name} fall {found}: pass them as the running sum of entries per row")


def _check_columns(name: str, X: Tensor, pointers: Tensor, columns: Tensor) -> None:
    d = X.shape[1]
    low, high = torch.stack(torch.aminmax(columns)).tolist()
    if low < 0 or high >= d:
        place = int(((columns < 0) | (columns >= d)).nonzero()[0])
        row = int(torch.searchsorted(pointers, place, right=True)) - 1
        raise ValueError(
            f"row {row} of {name} has the column index {int(columns[place])}, and {name} has {d} columns: "
            "count them from 0, or build it with a larger size"
        )


def _summed(X: Tensor, pointers: Tensor, columns: Tensor) -> Tensor:
    """X with its entries in order, those of one place added up."""
    n, d = X.shape
    rows = torch.repeat_interleave(torch.arange(n, device=X.device), pointers.diff())
    places, order = torch.sort(rows * d + columns)
    places, entries = torch.unique_consecutive(places, return_inverse=True)
    values = X.values().new_zeros(len(places)).index_add_(0, entries, X.values()[order])
    counts = torch.bincount(places.div(d, rounding_mode="floor"), minlength=n)
    ends = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    parts = ends.to(pointers.dtype), (places % d).to(columns.dtype), values
    return torch.sparse_csr_tensor(*parts, X.shape, check_invariants=False)
