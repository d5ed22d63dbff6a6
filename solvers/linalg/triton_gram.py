"""The weighted Gram matrix in one pass over X, as a Triton kernel; imported only where Triton is.

torch's own way writes a scaled copy of X and reads it again, together with X: four passes over memory. Where d is so
small that memory is the limit, one pass takes a quarter of that.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

ROW_BYTES = 256  # of a column of X that a program multiplies at once: tiles then fit the 100 KB of any GPU
WIDEST = 64  # columns of a tile of the result
PROGRAMS = 512  # that share the rows: about four for each multiprocessor of a large GPU


@triton.jit
def _tiles(X, weights, parts, n, d, row_stride, column_stride, share, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    """One tile (i, j), j <= i, of X^T diag(weights) X over one share of the rows, and its transpose as (j, i)."""
    i, j, part = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    if j > i:
        return
    left = i * WIDTH + tl.arange(0, WIDTH)
    right = j * WIDTH + tl.arange(0, WIDTH)
    first = part.to(tl.int64) * share
    last = tl.minimum(first + share, n)
    tile = tl.zeros((WIDTH, WIDTH), dtype=parts.dtype.element_ty)
    for start in range(first, last, ROWS):
        rows = start + tl.arange(0, ROWS)
        there = rows < last
        # As (WIDTH, ROWS): the transpose is loaded, not made.
        above = tl.load(
            X + left[:, None] * column_stride + rows[None, :] * row_stride,
            mask=(left < d)[:, None] & there[None, :],
            other=0.0,
        )
        beside = tl.load(
            X + rows[:, None] * row_stride + right[None, :] * column_stride,
            mask=there[:, None] & (right < d)[None, :],
            other=0.0,
        )
        c = tl.load(weights + rows, mask=there, other=0.0)
        tile = tl.dot(above * c[None, :], beside, tile, input_precision="ieee", out_dtype=tile.dtype)
    inside = (left < d)[:, None] & (right < d)[None, :]
    corner = parts + part.to(tl.int64) * d * d
    tl.store(corner + left[:, None] * d + right[None, :], tile, mask=inside)
    if j < i:
        tl.store(corner + right[None, :] * d + left[:, None], tile, mask=inside)


def one_pass_gram(X: Tensor, weights: Tensor, base: Tensor, scale: float) -> Tensor:
    """base + scale X^T diag(weights) X, a new (d, d) tensor, for dense X (n, d) in float32 or float64.

    The rows are divided among programs, whose sums are added in a fixed order: the same bits each time.
    """
    n, d = X.shape
    width, rows = min(WIDEST, max(16, triton.next_power_of_2(d))), ROW_BYTES // X.element_size()
    tiles = triton.cdiv(d, width)
    shares = max(1, min(2 * PROGRAMS // (tiles * (tiles + 1)), triton.cdiv(n, rows)))
    share = triton.cdiv(triton.cdiv(n, shares), rows) * rows
    parts = torch.empty(shares, d, d, dtype=X.dtype, device=X.device)
    _tiles[tiles, tiles, shares](X, weights, parts, n, d, X.stride(0), X.stride(1), share, ROWS=rows, WIDTH=width)
    return torch.add(base, parts.sum(0), alpha=scale)
