"""The rank of a matrix whose stored numbers are taken to be exact: nothing is rounded."""

from __future__ import annotations

import torch
from torch import Tensor

from .kernels import row_blocks

PRIME = 4194301  # the largest below 2^22: sums of CHUNK products of two residues are whole numbers that float64 holds
CHUNK = 512
DIGITS = 53  # of a float64
LEAST = -1080  # below the exponent of the smallest float64


def exact_rank(X: Tensor, intercept: bool = False) -> int:
    """The rank of X (n, d), dense or CSR, beside a column of ones where there is an intercept.

    Every float is a whole number times a power of 2, and so has a residue modulo a prime. The rank of the residues is
    that of X, or in about one case of a million less, and never more. Random combinations of the rows, no more than
    there are columns, have it too (Schwartz 1980, J. ACM 27, p. 701). It takes some times as long as X^T X.
    """
    n, d = X.shape
    return rank_of_residues(combined_residues(X, intercept, min(n, d + intercept) + 2))


def combined_residues(X: Tensor, intercept: bool, combinations: int, seed: int = 0) -> Tensor:
    """Random combinations of the residues of the rows, (combinations, d [+ 1]). They can be added up over parts of the
    rows, drawn from different seeds."""
    columns = X.shape[1] + intercept
    combined = torch.zeros(combinations, columns, dtype=torch.float64, device=X.device)
    powers = torch.tensor([pow(2, k - DIGITS, PRIME) for k in range(LEAST, 1026)]).to(combined)
    generator = torch.Generator().manual_seed(seed)
    for _, block in row_blocks(X):
        for rows in block.split(CHUNK):
            entries = residues(rows.double(), powers)
            if intercept:
                entries = torch.cat([entries, entries.new_ones(len(entries), 1)], dim=1)
            weights = torch.randint(PRIME, (combinations, len(rows)), generator=generator).to(entries)
            modulo(combined.add_(modulo(weights @ entries)))
    return combined


def modulo(whole: Tensor) -> Tensor:
    """What division by PRIME leaves of whole numbers of at most 2^53, with their sign, in place.

    The quotient is rounded by at most 2^-23, and is no nearer to the next whole number than 1 / PRIME.
    """
    return whole.sub_((whole / PRIME).trunc_().mul_(PRIME))


def residues(X: Tensor, powers: Tensor) -> Tensor:
    """X modulo PRIME, as whole numbers in float64; powers: of 2, from LEAST on, divided by 2^DIGITS."""
    mantissa, exponent = torch.frexp(X)
    return modulo(modulo(mantissa.mul_(2.0**DIGITS)).mul_(powers[(exponent - LEAST).long()]))


def rank_of_residues(matrix: Tensor) -> int:
    """By Gaussian elimination modulo PRIME, in place."""
    rank = 0
    for column in range(matrix.shape[1]):
        below = matrix[rank:, column]
        if not len(below) or not bool(below.any()):
            continue
        pivot = rank + int(below.abs().argmax())
        row = modulo(matrix[pivot, column:] * pow(int(matrix[pivot, column]), -1, PRIME))
        matrix[pivot] = matrix[rank]
        rest = matrix[rank + 1 :, column:]
        modulo(rest.addr_(rest[:, 0].clone(), row, alpha=-1))
        rank += 1
    return rank
