"""Whether a point, or a direction from it, separates two classes by more than rounding."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..checks import EPS
from ..kernels import weighted_square_sums

if TYPE_CHECKING:
    from .logistic import LogisticPoint, LogisticRegression


def strictly_separates(point: LogisticPoint) -> bool:
    """Whether every margin, computed from X and not carried, is positive by more than its rounding."""
    f, w = point.objective, point.x
    return bool((f.margins(w) > math.sqrt(f.size) * EPS[w.dtype] * f.reach(w)).all())


def separates(point: LogisticPoint, direction: Tensor | None, *, size: float, slack: float) -> bool:
    """Whether a direction moves some row by more than `size`, and none the wrong way by more than rounding.

    That is `slack` of the largest move, and of the longest that a step of this length in the columns' own units could
    give the row: one of small entries may hold the minimiser against large ones. And the rows that move must be let go
    by the others: the pull of all rows along the direction, 0 at a minimiser however small the rows that hold it
    there, is at least half of theirs alone. A row whose label is a probability has no right way: it must not move.
    """
    if direction is None:
        return False
    f = point.objective
    moves = point.moves(direction)  # (n,)
    sides = 2 * f.y - 1
    right = torch.where(sides.abs() == 1, sides * moves, -moves.abs())
    largest = float(moves.abs().max())
    if not (largest > size and float(right.min()) >= -slack * largest):
        return False
    if not bool((right >= -slack * longest_moves(f, direction)).all()):
        return False
    pulls = point.residuals.abs() * right
    return float(pulls.sum()) >= 0.5 * float(pulls[right > slack * largest].sum())


def longest_moves(f: LogisticRegression, direction: Tensor) -> Tensor:
    """sum_j |x_ij| / u_j max_k |u_k v_k|, (n,), with u the lengths of the columns."""
    units = weighted_square_sums(f.X, torch.ones_like(f.y), f.squares).sqrt()
    if f.fit_intercept:
        units = torch.cat([units, units.new_full((1,), math.sqrt(len(f.y)))])
    inverse = units.reciprocal()
    return f.reach(inverse.where(inverse.isfinite(), 0.0)) * float((units * direction).abs().max())
