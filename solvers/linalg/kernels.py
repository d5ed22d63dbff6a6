"""Products with a tall matrix X (n, d), dense or CSR."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec

import torch
from torch import Tensor

from ..common.blocked_rows import BlockedRows

SMALL_BYTES = 1 << 18  # an X of this size is one block, and a copy of it does not matter
BLOCK_BYTES = 1 << 20  # a scaled block of rows stays in a cache; a call for it costs little beside its work
LARGEST_BLOCK = 1 << 24  # three of them are live at once for a sparse X: the memory that a solver adds to its data
BLOCK_COLUMNS = 96  # 6,000 x 784 took 0.6 of the time of X^T X, 200,000 x 100 0.9 (64 and 128: the same to a tenth)


def is_sparse(X: Tensor) -> bool:
    return X.layout == torch.sparse_csr


def stored_entries(X: Tensor) -> int:
    """Of a CSR tensor those with a place; of a dense one all."""
    if isinstance(X, BlockedRows):
        return X.stored
    return (X.values() if is_sparse(X) else X).numel()


def norm(X: Tensor) -> float:
    """||X||_F; infinite where its square overflows in X's precision."""
    if isinstance(X, BlockedRows):
        return X.norm
    return float(torch.linalg.vector_norm(X.values() if is_sparse(X) else X))


def block_bytes() -> int:
    """Of a block of rows: threads share it, and wait for each other after each.

    Where other processes used a core, two threads took 1.8 s for the Gram matrix of 200,000 x 100 (float32) with blocks
    of 1 MB, 0.5 s with 4 MB, and 0.05 s with either where nothing did.
    """
    threads = torch.get_num_threads()
    return BLOCK_BYTES if threads == 1 else min(2 * threads * BLOCK_BYTES, LARGEST_BLOCK)


def row_blocks(X: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Dense blocks of consecutive rows, each about `block_bytes` on the CPU and the whole of X on an accelerator."""
    if isinstance(X, BlockedRows):
        for outer, part in X.blocks():
            for inner, block in row_blocks(part):
                start = outer.start + inner.start
                yield slice(start, start + len(block)), block
        return
    n, d = X.shape
    itemsize = X.element_size()
    rows = n if X.device.type != "cpu" and not is_sparse(X) else max(block_bytes() // (max(d, 1) * itemsize), 64)
    if not is_sparse(X):
        for start in range(0, n, rows):
            yield slice(start, start + rows), X[start : start + rows]
        return
    pointers, columns, values = X.crow_indices(), X.col_indices(), X.values()
    for start in range(0, n, rows):
        stop = min(start + rows, n)
        first, last = int(pointers[start]), int(pointers[stop])
        block = torch.sparse_csr_tensor(
            pointers[start : stop + 1] - first,
            columns[first:last],
            values[first:last],
            (stop - start, d),
            check_invariants=False,
        )
        yield slice(start, stop), block.to_dense()


def take_rows(X: Tensor, rows: Tensor) -> Tensor:
    """A dense tensor of the given rows, (m, d); rows: (m,) int64."""
    if isinstance(X, BlockedRows):
        return X.take(rows, take_rows)
    if not is_sparse(X):
        return X.index_select(0, rows)  # X[rows] took twice as long
    starts, counts = X.crow_indices()[rows], X.crow_indices().diff()[rows]
    ends = counts.cumsum(0)
    places = torch.arange(int(counts.sum()), device=X.device)  # of the entries of the result, row by row
    places += torch.repeat_interleave(starts - (ends - counts), counts)
    taken = torch.zeros(len(rows), X.shape[1], dtype=X.dtype, device=X.device)
    numbers = torch.repeat_interleave(torch.arange(len(rows), device=X.device), counts)
    return taken.index_put_((numbers, X.col_indices()[places]), X.values()[places], accumulate=True)


def short_indices(X: Tensor) -> Tensor:
    """A CSR tensor on the CPU with 32-bit indices, around the same values; any other as it is.

    MKL wants such indices, and torch converts longer ones at each call: X v on w8a took twice as long with them.
    """
    if isinstance(X, BlockedRows) or not is_sparse(X) or X.device.type != "cpu" or X.values().numel() >= 1 << 31:
        return X
    indices = (part.to(torch.int32) for part in (X.crow_indices(), X.col_indices()))
    return torch.sparse_csr_tensor(*indices, X.values(), X.shape, check_invariants=False)


def bucket_sums(X: Tensor, weights: Tensor, buckets: Tensor, size: int) -> Tensor:
    """A dense tensor, (size, d), to whose row buckets[i] weights[i] X[i] is added for every i."""
    sums = torch.zeros(size, X.shape[1], dtype=X.dtype, device=X.device)
    for rows, block in row_blocks(X):
        sums.index_add_(0, buckets[rows], block * weights[rows].unsqueeze(1))
    return sums


def row_sums_of_absolute_gram(X: Tensor) -> tuple[Tensor, Tensor]:
    """|X|^T |X| 1, (d,), and |X|^T 1, (d,)."""
    products, sums = (torch.zeros(X.shape[1], dtype=X.dtype, device=X.device) for _ in range(2))
    for _, block in row_blocks(X):
        sizes = block.abs()
        products.addmv_(sizes.T, sizes.sum(1))
        sums.add_(sizes.sum(0))
    return products, sums


def fits_one_block(X: Tensor) -> bool:
    small = not is_sparse(X) and X.numel() * X.element_size() <= SMALL_BYTES
    return small and not isinstance(X, BlockedRows)


def one_block_gram(X: Tensor, weights: Tensor, base: Tensor, scale: float, transpose: Tensor) -> Tensor:
    """`weighted_gram` of an X that is known to fit one block."""
    return torch.addmm(base, transpose * weights, X, alpha=scale)


_one_pass: ContextVar[bool] = ContextVar("one_pass", default=False)


@contextmanager
def gram_in_one_pass() -> Iterator[None]:
    """In this context an accelerator computes the weighted Gram matrix of a large dense X by `triton_gram`.

    Not the default until a GPU has measured that it is faster: `python -m benchmarks gpu`.
    """
    if find_spec("triton") is None:
        raise ImportError("a Gram matrix in one pass needs Triton, which comes with a torch that is built for CUDA")
    token = _one_pass.set(True)
    try:
        yield
    finally:
        _one_pass.reset(token)


def weighted_gram(
    X: Tensor, weights: Tensor, base: Tensor, scale: float = 1.0, transpose: Tensor | None = None
) -> Tensor:
    """base + scale X^T diag(weights) X, a new (d, d) tensor, for a symmetric base; `transpose` is `transposed(X)`.

    Row blocks: only one scaled block lives at a time, never a scaled copy of X. The result is symmetric, so only its
    lower triangle is computed, by blocks of columns.
    """
    if fits_one_block(X):
        return one_block_gram(X, weights, base, scale, X.T if transpose is None else transpose)
    if X.device.type != "cpu" and _one_pass.get() and not is_sparse(X):
        from .triton_gram import one_pass_gram

        return one_pass_gram(X, weights, base, scale)
    gram = base.clone()
    whole = add_lower_gram(gram, X, weights, scale)
    return gram if whole else mirrored(gram)


def mirrored(lower: Tensor) -> Tensor:
    """The symmetric matrix with this lower triangle, in place."""
    return lower.tril_().add_(lower.tril(-1).T)


def add_lower_gram(gram: Tensor, X: Tensor, weights: Tensor, scale: float) -> bool:
    """Add scale X^T diag(weights) X to a (d, d) tensor, at least to its lower triangle; whether to all of it."""
    d, scaled = X.shape[1], None
    width = BLOCK_COLUMNS if X.device.type == "cpu" else d  # an accelerator would rather have one large product
    for rows, block in row_blocks(X):
        if scaled is None or len(scaled) != len(block):
            scaled = torch.empty_like(block)
        torch.mul(block, weights[rows].unsqueeze(1), out=scaled)
        for start in range(0, d, width):
            stop = min(start + width, d)
            gram[start:stop, :stop].addmm_(block[:, start:stop].T, scaled[:, :stop], alpha=scale)
    return width >= d


def gram_products(d: int) -> float:
    """Products that `weighted_gram` makes on the CPU for each row of a large X: d^2, less what it leaves out."""
    stops = [min(start + BLOCK_COLUMNS, d) for start in range(0, d, BLOCK_COLUMNS)]
    return float(sum((stop - start) * stop for start, stop in zip([0, *stops], stops, strict=False)))


def weighted_square_sums(X: Tensor, weights: Tensor, squares: Tensor | None) -> Tensor:
    """diag(X^T diag(weights) X), (d,), without the matrix; `squares` is `squares_of(X, transposed(X))`."""
    if squares is not None:
        return squares @ weights
    sums = torch.zeros(X.shape[1], dtype=X.dtype, device=X.device)
    for rows, block in row_blocks(X):
        sums.addmv_(block.square().T, weights[rows])
    return sums


def squares_of(X: Tensor, transpose: Tensor) -> Tensor | None:
    """The squares of the entries of X^T, (d, n), made once; None where X is large and dense, and they would be, too.

    On a9a and w8a a product with them took a tenth of the time of sums over the stored entries.
    """
    if isinstance(X, BlockedRows):
        return None
    if is_sparse(X):
        indices = transpose.crow_indices(), transpose.col_indices()
        return torch.sparse_csr_tensor(*indices, transpose.values().square(), transpose.shape, check_invariants=False)
    return X.T.square().contiguous() if fits_one_block(X) else None


def transposed(X: Tensor) -> Tensor:
    """X^T ready for products, made once: a CSR tensor of its own, a copy of a small X, a view of a large one.

    With the copy a weighted Gram matrix of 398 x 30 took 57 microseconds, with the view 79.
    """
    if isinstance(X, BlockedRows):
        return X.T
    if is_sparse(X):
        return transposed_csr(X)
    return X.T.contiguous() if fits_one_block(X) else X.T


def transposed_csr(X: Tensor) -> Tensor:
    """X^T as CSR, by a stable sort of the columns: torch's own conversion took four times as long on w8a."""
    n, d = X.shape
    columns = X.col_indices()
    narrow = torch.int16 if d < 1 << 15 else torch.int32  # short keys sort faster
    order = torch.argsort(columns.to(narrow), stable=True)
    short = torch.int32 if X.device.type == "cpu" and max(n, columns.numel()) < 1 << 31 else torch.int64
    rows = torch.repeat_interleave(torch.arange(n, dtype=short, device=X.device), X.crow_indices().diff())
    ends = torch.bincount(columns, minlength=d).cumsum(0)
    pointers = torch.cat([ends.new_zeros(1), ends]).to(short)
    parts = pointers, rows.index_select(0, order), X.values().index_select(0, order)
    return torch.sparse_csr_tensor(*parts, (d, n), check_invariants=False)
