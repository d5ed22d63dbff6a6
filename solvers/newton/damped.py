"""Damped Newton: the exact Newton direction, replaced where it is not downhill, with a line search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ..core.solver import Proposal, newton_proposal, towards
from ..line_search.search import LineSearch
from ..objectives.base import Point
from ..objectives.newton_system import shifted_direction
from .exact import lu_direction

DOWNHILL = 1e-12  # cosine below which a direction is not clearly downhill


@dataclass(frozen=True)
class DampedNewton(LineSearch):
    """x+ = x - t H^-1 g, by LU, with t from backtracking (Boyd & Vandenberghe, Alg. 9.5).

    Where that direction is not finite or not clearly downhill (g^T d > -1e-12 ||g|| ||d||), it is replaced by the
    direction of CholeskyNewton's shifted Hessian, and counted as shifted.
    """

    def propose(self, point: Point, state: Any) -> Proposal | None:
        direction = lu_direction(point.hessian, point.gradient)
        if direction is not None:
            proposal = towards(point, direction)
            norms = float(torch.linalg.vector_norm(point.gradient) * torch.linalg.vector_norm(direction))
            if proposal.slope <= -DOWNHILL * norms:  # false for NaN, too
                return proposal
        return newton_proposal(point, shifted_direction(point))
