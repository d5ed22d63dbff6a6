"""Whether a point, or a direction from it, separates the classes of rows that lie in several processes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..linalg.exact_rank import exact_rank
from ..objectives.linear.exact_direction import weakly_separates
from ..objectives.linear.separation import CLEAR, MOST_COLUMNS, MOST_ENTRIES, MOST_RATIONAL, strictly_separates


def strictly_separated(point: Any) -> bool:
    """Whether every margin of every process is right by more than its rounding."""
    local = point.local
    found = local.separating() if hasattr(local, "separating") else strictly_separates(local)
    return point.objective.group.total(not found) == [0.0]


def separates(point: Any, direction: Tensor | None, *, size: float, slack: float, noise: float = 0.0) -> bool:
    """`objectives.linear.separation.separates`, over the rows of all processes: two collectives."""
    if direction is None:
        return False
    f, right = point.objective, point.local.margin_increase(direction)  # (n,), or (n, K)
    largest, wrong = f.group.largest(float(right.abs().max()), float(-right.min()))
    if not (largest > size and wrong <= slack * largest):
        return False
    inverse = f.column_lengths.reciprocal()
    longest = f.part.row_reach(inverse.where(inverse.isfinite(), 0.0))
    longest *= float((f.column_lengths * f.part.span(direction)).max())
    beyond = int((~(right.view(len(longest), -1) >= -slack * longest.unsqueeze(1))).sum())
    pulls = point.local.error_probabilities * right
    moved = float(pulls[right > slack * largest].sum())
    hidden = 0.0
    if noise:
        hidden = noise * float((point.local.error_probabilities.view(len(longest), -1) * longest.unsqueeze(1)).sum())
    beyond, pull, moved = f.group.total(beyond, float(pulls.sum()) + hidden, moved)
    return beyond == 0 and pull >= 0.5 * moved


def may_weakly_separate(point: Any, direction: Tensor, slack: float) -> bool:
    """`objectives.linear.separation.may_weakly_separate`: the few rows it looks at are sent to all processes."""
    f, right = point.objective, point.local.margin_increase(direction)
    short = bool((right < -CLEAR * f.part.reach(direction)).any())
    if f.group.total(short) == [0.0]:
        return True
    (entries,) = f.group.total(right.numel() * f.size)
    exactly = f.size <= MOST_COLUMNS and entries <= MOST_RATIONAL
    if exactly:
        chosen = torch.ones_like(right, dtype=torch.bool)
    else:
        chosen = right <= slack * f.group.largest(float(right.max()))[0]
    if f.group.total(int(chosen.sum()) * f.size)[0] > MOST_ENTRIES:
        return True
    parts = f.group.gather(f.part.signed_rows(chosen))
    if any(part is None for part in parts):
        return True
    rows = torch.cat([part.to(direction.device) for part in parts])
    if exactly:
        return weakly_separates(rows, direction)
    return f.null_space_dimension is None or exact_rank(rows) < f.size - f.null_space_dimension
