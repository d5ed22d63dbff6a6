"""The backtracking half of a solver: settings and the move they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..common.instrumentation import timed
from ..common.validation import fraction, whole
from ..core.solver import DirectionalSolver, Proposal, setting
from ..objectives.base import Point
from .backtracking import backtrack


@dataclass(frozen=True)
class LineSearch(DirectionalSolver):
    """Moves to the first x + t direction, t = 1, shrink, shrink^2, ..., with enough decrease; else stays.

    trials_together: after a first rejected trial, how many f is computed at before the host reads any: for a GPU.
    """

    shrink: float = setting(0.5, fraction)
    sufficient: float = setting(1e-4, fraction)  # Nocedal & Wright, p. 33
    trials_together: int = setting(1, whole)

    @timed("line search")
    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Any]:
        ray = point.along(proposal.direction)
        settings = {"shrink": self.shrink, "sufficient": self.sufficient, "together": self.trials_together}
        found = backtrack(ray, proposal.slope, **settings)
        return (point if found is None else found), proposal.state
