"""Which fits would need more memory than there is: they are not started."""

from __future__ import annotations

from solvers.adapters import Peer
from solvers.objectives import LogisticRegression, SoftmaxRegression

from ..runner.environment import memory

MATRICES = 3  # of (size, size) in float64: the Hessian, a copy that is factorised, and the library's own temporary one
GIGA = 1e9


def too_large(peer: Peer, objective: LogisticRegression | SoftmaxRegression) -> str:
    """Why a method of another library that keeps a matrix of all coefficients cannot be started; empty where it can."""
    needed, there = 8 * MATRICES * objective.size**2, memory("cpu")
    if peer.needs != "hessian" or needed <= there:
        return ""
    sizes = f"{MATRICES} matrices of {objective.size:,} x {objective.size:,}"
    return f"not started: {sizes} would take {needed / GIGA:,.0f} of {there / GIGA:,.0f} GB"
