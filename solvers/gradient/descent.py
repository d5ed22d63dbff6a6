"""Gradient descent with a fixed learning rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..common.validation import positive
from ..core.solver import DirectionalSolver, Proposal, setting, towards
from ..objectives.base import Point


@dataclass(frozen=True)
class GradientDescent(DirectionalSolver):
    """x+ = x - learning_rate g  (Boyd & Vandenberghe, Alg. 9.3, with a constant step)."""

    needs = "gradient"
    learning_rate: float = setting(0.1, positive)

    def propose(self, point: Point, state: Any) -> Proposal:
        return towards(point, point.gradient * -self.learning_rate)
