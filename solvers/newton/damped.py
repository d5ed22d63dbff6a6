"""Damped Newton: the exact Newton direction, replaced where it is not downhill, with a line search."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from ..core.solver import Proposal, newton_proposal
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
        g, norm = point.gradient, torch.linalg.vector_norm
        found = lu_direction(point.hessian, g, partial(torch.dot, g), lambda direction: norm(g) * norm(direction))
        if found is not None:
            direction, (slope, norms) = found
            if slope <= -DOWNHILL * norms:  # false for NaN, too
                return Proposal(direction, slope)
        return newton_proposal(point, shifted_direction(point))
