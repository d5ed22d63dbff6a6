"""The backtracking half of a solver: settings and the move they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..common.instrumentation import booked
from ..common.validation import positive
from ..core.solver import DirectionalSolver, Proposal
from ..objectives.base import Point
from .backtracking import backtrack


@dataclass(frozen=True)
class LineSearch(DirectionalSolver):
    """Moves to the first x + t direction, t = 1, shrink, shrink^2, ..., with enough decrease; else stays."""

    shrink: float = 0.5
    sufficient: float = 1e-4  # Nocedal & Wright, p. 33

    def __post_init__(self) -> None:
        for name in ("shrink", "sufficient"):
            if positive(name, getattr(self, name)) >= 1:
                raise ValueError(f"{name} must lie between 0 and 1, found {getattr(self, name)!r}")

    @booked("line search")
    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Any]:
        ray = point.along(proposal.direction)
        found = backtrack(ray, proposal.slope, shrink=self.shrink, sufficient=self.sufficient)
        return (point if found is None else found), proposal.state
