"""Exact Newton steps, taken whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..common.instrumentation import count, phase
from ..common.scalars import read_together
from ..common.validation import non_negative
from ..core.solver import DirectionalSolver, Proposal, finite_proposal, setting
from ..objectives.base import Point


def lu_direction(
    hessian: Tensor, gradient: Tensor, *measures: Callable[[Tensor], Tensor]
) -> tuple[Tensor, list[float]] | None:
    """-H^-1 g, (d,), by LU with partial pivoting, and numbers that are measured of it; None where a pivot is exactly
    zero. On a device the host reads all of this at once."""
    with phase("factorise"):
        count("factorisations")
        count("lu_factorisations")
        factors, pivots, info = torch.linalg.lu_factor_ex(hessian)
        on_host = hessian.device.type == "cpu"
        if on_host and info.item():
            return None
    with phase("solve"):
        count("solves")
        direction = torch.linalg.lu_solve(factors, pivots, -gradient.unsqueeze(1)).squeeze(1)
    found = [measure(direction) for measure in measures]
    if on_host:
        return direction, [float(number) for number in found]
    *numbers, zero_pivot = read_together(*found, info)
    return None if zero_pivot else (direction, numbers)


@dataclass(frozen=True)
class Newton(DirectionalSolver):
    """x+ = x - (H + damping I)^-1 g, by LU: the textbook step, without any safeguard (Nocedal & Wright, p. 44)."""

    damping: float = setting(1e-6, non_negative)

    def propose(self, point: Point, state: Any) -> Proposal | None:
        damped = point.hessian.clone()
        damped.diagonal().add_(self.damping)
        found = lu_direction(damped, point.gradient, partial(torch.dot, point.gradient))
        return None if found is None else finite_proposal(Proposal(found[0], *found[1]))
