"""The weighted Gram matrix in fewer digits: a metric for Newton steps, and never for a test of convergence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from .kernels import row_blocks, weighted_gram

# name -> the dtype of the copy of X that products are computed from
PRECISIONS = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}


@contextmanager
def tf32_products(allowed: bool = True) -> Iterator[None]:
    """Products of float32 matrices with 10 bits of precision, where that is allowed and the device has them."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if allowed else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def coarse_gram(X: Tensor, weights: Tensor, base: Tensor, scale: float, precision: str) -> Tensor:
    """base + scale X^T diag(weights) X, a new (d, d) tensor in the dtype of base.

    X: (n, d), dense, already in the dtype of the precision, a name of PRECISIONS. Sums have 24 bits.
    """
    weights, zero = weights.to(X.dtype), base.new_zeros(base.shape, dtype=torch.float32)
    if precision == "bfloat16":
        for rows, block in row_blocks(X):
            scaled = block * weights[rows].unsqueeze(1)
            if X.is_cuda:
                zero.add_(torch.mm(block.T, scaled, out_dtype=torch.float32))
            else:
                zero.add_(block.T @ scaled)
        gram = zero
    else:
        with tf32_products() if precision == "tf32" else nullcontext():
            gram = weighted_gram(X, weights, zero, transpose=X.T)
    return torch.add(base, gram.to(base.dtype), alpha=scale)
