"""Whether a point, or a direction from it, separates two classes by more than rounding."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...common.instrumentation import separately_counted
from ...common.scalars import squared
from ...common.validation import EPS
from ...linalg.exact_rank import exact_rank
from ...linalg.kernels import fits_one_block, is_sparse, weighted_square_sums
from ..newton_system import newton_direction, newton_factor
from .exact_direction import weakly_separates
from .margins import LinearPoint
from .model import LinearModel

PART = 16  # the rows of which one is looked at
ROWS = 10  # that such a part must have for each coefficient
STEPS = 3  # towards the minimiser of the part, if it has one: there nothing moves any more
CLEAR = 1e-3  # of the terms of a row's move: what is more of them has not cancelled
MOST_RATIONAL = 1 << 16  # entries of a matrix that is taken in rational numbers, and its columns: about a second
MOST_COLUMNS = 32
MOST_ENTRIES = 1 << 22  # of a matrix whose exact rank is asked for
STRICTLY = "the iterate separates the classes strictly"
WEAKLY = "no row's margin decreases along the Newton direction by more than rounding (quasi-separation)"
SHORT = 0.5  # the longest move of a margin; without rounding 1 would do


def part_has_minimiser(point: LinearPoint) -> bool:
    """Whether a sixteenth of the rows proves that f, without a penalty, has a minimiser.

    Let p_i be the error probability of a row, c_i = p_i (1 - p_i), and u_i the move of its margin along the Newton step
    of the loss on these rows alone: sum_i (p_i - c_i u_i) s_i x_i = 0. Where every u_i is below 1 a positive
    combination of signed rows vanishes, so no direction moves one of them the right way and none the wrong way (Stiemke
    1915, Math. Annalen 76, p. 340), and where their Hessian is regular none leaves all of them alone. What does not
    separate a part cannot separate all rows. And that the sum vanishes must not be rounding's doing: the error of the
    gradient, spread over the rows likewise, moves a margin by less, for scale c_i x_i^T H^-1 x_i <= 1.
    """
    f = point.objective
    few = fits_one_block(f.X) or len(f.X) < PART * ROWS * f.size
    if f.l2 > 0 or not f.binary or is_sparse(f.X) or not isinstance(f.X, Tensor) or few or "hessian" in point.__dict__:
        return False
    with separately_counted("stopping test", "sample_hessians"):
        part = type(f)(f.X[::PART], f.y[::PART], fit_intercept=f.fit_intercept).at(point.x)
        for _ in range(STEPS):
            factor, step = newton_factor(part), newton_direction(part)
            if factor is None or not float(factor.lower.diagonal().min()) ** 4 >= EPS[point.x.dtype]:
                return False
            trace = float(torch.dot(torch.cholesky_inverse(factor.lower).diagonal(), factor.scale.square()))  # of H^-1
            least = part.objective.scale * float(part.curvature.min())
            if not squared(part.gradient_noise()) * trace <= squared(SHORT) * least:
                return False
            if float(part.moves(step).abs().max()) <= SHORT:
                return True
            part = part + step
    return False


def strictly_separates(point: LinearPoint) -> bool:
    """Whether every margin, computed from X and not carried, is positive by more than its rounding."""
    f, w = point.objective, point.x
    return bool((f.margins(w) > math.sqrt(f.size) * EPS[w.dtype] * f.reach(w)).all())


def separates(point: LinearPoint, direction: Tensor | None, *, size: float, slack: float, noise: float = 0.0) -> bool:
    """Whether a direction moves some row by more than `size`, and none the wrong way by more than rounding.

    That is `slack` of the largest move, and of the longest that a step of this length in the columns' own units could
    give the row: a row of small entries may bound f against rows of large ones. And f must fall: the slopes of all rows
    add up to at least half of the sum over those that move, where at a minimiser all of them add up to 0, however short
    the rows that bound f.
    noise: of the longest move of a row, what of it may be rounding. Where the slopes of the rows that move have become
    less than that of the others, a proof needs 0, and a mere suspicion the unit of rounding.
    """
    if direction is None:
        return False
    right = point.margin_increase(direction)  # (n,), or (n, K)
    largest = float(right.abs().max())
    if not (largest > size and float(right.min()) >= -slack * largest):
        return False
    longest = longest_moves(point.objective, direction)
    if not bool((right.view(len(longest), -1) >= -slack * longest.unsqueeze(1)).all()):
        return False
    pulls = point.error_probabilities * right
    hidden = 0.0
    if noise:
        hidden = noise * float((point.error_probabilities.view(len(longest), -1) * longest.unsqueeze(1)).sum())
    return float(pulls.sum()) + hidden >= 0.5 * float(pulls[right > slack * largest].sum())


def may_weakly_separate(point: LinearPoint, direction: Tensor, slack: float) -> bool:
    """Whether some direction near this one moves no row the wrong way, in exact arithmetic.

    It matters where a row moves the wrong way by all of its terms: that may be rounding of the direction, or the row
    may be a short one that bounds f along it. Where rational numbers are too expensive, the exact rank of the rows that
    move by no more than slack of the largest says whether any direction leaves these alone, which is necessary.
    """
    f, right = point.objective, point.margin_increase(direction)
    if not bool((right < -CLEAR * f.reach(direction)).any()):
        return True
    exactly = f.size <= MOST_COLUMNS and right.numel() * f.size <= MOST_RATIONAL
    rows = f.signed_rows(torch.ones_like(right, dtype=torch.bool) if exactly else right <= slack * right.max())
    if rows is None:
        return True
    if exactly:
        return weakly_separates(rows, direction)
    return f.null_space_dimension is None or exact_rank(rows) < f.size - f.null_space_dimension


def longest_moves(f: LinearModel, direction: Tensor) -> Tensor:
    """sum_j |x_ij| / u_j max_k |u_k v_k|, (n,), with u the lengths of the columns and |v_k| the span over classes."""
    ones = torch.ones(len(f.y), dtype=f.X.dtype, device=f.X.device)
    units = weighted_square_sums(f.X, ones, f.squares).sqrt()
    if f.fit_intercept:
        units = torch.cat([units, units.new_full((1,), math.sqrt(len(f.y)))])
    inverse = units.reciprocal()
    return f.row_reach(inverse.where(inverse.isfinite(), 0.0)) * float((units * f.span(direction)).max())
