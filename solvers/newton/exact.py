"""Exact Newton steps, taken whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..common.instrumentation import count, phase
from ..common.validation import non_negative
from ..core.solver import DirectionalSolver, Proposal, newton_proposal, setting
from ..objectives.base import Point


def lu_direction(hessian: Tensor, gradient: Tensor) -> Tensor | None:
    """-H^-1 g, (d,), by LU with partial pivoting; None where a pivot is exactly zero."""
    with phase("factorise"):
        count("factorisations")
        count("lu_factorisations")
        factors, pivots, info = torch.linalg.lu_factor_ex(hessian)
        if info.item():
            return None
    with phase("solve"):
        count("solves")
        return torch.linalg.lu_solve(factors, pivots, -gradient.unsqueeze(1)).squeeze(1)


@dataclass(frozen=True)
class Newton(DirectionalSolver):
    """x+ = x - (H + damping I)^-1 g, by LU: the textbook step, without any safeguard (Nocedal & Wright, p. 44)."""

    damping: float = setting(1e-6, non_negative)

    def propose(self, point: Point, state: Any) -> Proposal | None:
        damped = point.hessian.clone()
        damped.diagonal().add_(self.damping)
        return newton_proposal(point, lu_direction(damped, point.gradient))
