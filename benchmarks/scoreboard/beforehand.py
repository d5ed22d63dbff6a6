"""Which fits are not started, because they would need more memory or more time than there is."""

from __future__ import annotations

import torch

from solvers.adapters import Peer
from solvers.objectives import LogisticRegression, SoftmaxRegression

from ..runner.environment import calibration, memory
from ..runner.measure import SHARE

MATRICES = 3  # of (size, size) in float64: the Hessian, a copy that is factorised, and the library's own temporary one
GIGA = 1e9
LEAST_ORDER = 2000  # a smaller factor takes tenths of a second

Model = LogisticRegression | SoftmaxRegression


def order(peer: Peer, objective: Model) -> int:
    """Of the largest matrix that a method forms; 0 where it forms none."""
    if peer.needs != "hessian":
        return 0
    by_rows = getattr(peer, "solves_by_rows", False) and getattr(objective, "wide", False)
    return len(objective.y) if by_rows else objective.size


def too_large(peer: Peer, objective: Model) -> str:
    """Why a method that keeps a matrix of all coefficients cannot be started; empty where it can."""
    size, there = order(peer, objective), SHARE * memory("cpu")
    needed = 8 * MATRICES * size**2
    if needed <= there:
        return ""
    sizes = f"{MATRICES} matrices of {size:,} x {size:,}"
    return f"not started: {sizes} would take {needed / GIGA:,.0f} of {there / GIGA:,.0f} GB"


def too_long(peer: Peer, objective: Model, seconds: float) -> str:
    """Why not even one factorisation would end in that time, at the rate of a product of matrices; empty where it may.

    Once it has begun, such a call into native code cannot be interrupted.
    """
    size = order(peer, objective)
    if size < LEAST_ORDER:
        return ""
    rate = calibration("cpu", str(objective.X.dtype).removeprefix("torch."), torch.get_num_threads())["gemm_gflops"]
    needed = size**3 / 3 / (GIGA * rate)
    return "" if needed <= seconds else f"not started: a factor of {size:,} x {size:,} takes {needed:.1f} s or longer"
