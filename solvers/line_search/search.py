"""The backtracking half of a solver: settings and the move they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..common.instrumentation import timed
from ..common.validation import fraction
from ..core.solver import DirectionalSolver, Proposal, setting
from ..objectives.base import Point
from .backtracking import backtrack


@dataclass(frozen=True)
class LineSearch(DirectionalSolver):
    """Moves to the first x + t direction, t = 1, shrink, shrink^2, ..., with enough decrease; else stays."""

    shrink: float = setting(0.5, fraction)
    sufficient: float = setting(1e-4, fraction)  # Nocedal & Wright, p. 33

    @timed("line search")
    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Any]:
        ray = point.along(proposal.direction)
        found = backtrack(ray, proposal.slope, shrink=self.shrink, sufficient=self.sufficient)
        return (point if found is None else found), proposal.state
