"""A shift of the Hessian that is increased where it is too small: shared by the Levenberg-type methods."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..common.instrumentation import count
from ..common.scalars import read_together
from ..core.solver import Proposal, finite_proposal, newton_proposal
from ..linalg.cholesky import factor, unchecked_factor
from ..objectives.base import Point

S = TypeVar("S", bound=tuple)
GROWTH = 2.0  # Nielsen 1999: the first rejection doubles lambda, the next one multiplies it by 4, then 8


def increased(state: Any) -> Any:
    """`size` multiplied by `growth`, which itself doubles with each rejection in a row (Nielsen 1999)."""
    size = max(state.size, sys.float_info.min)  # zero, after hundreds of good steps, could not grow
    return state._replace(size=size * state.growth, growth=2 * state.growth)


def nielsen(ratio: float) -> float:
    """max(1/3, 1 - (2 q - 1)^3), what lambda is multiplied by after a step that gained q times what was predicted.

    (Nielsen 1999, IMM-REP-1999-05, eq. 2.4.)
    """
    return max(1 / 3, 1 - (2 * min(ratio, 1.0) - 1) ** 3)


def shifted_proposal(
    point: Point, matrix: Tensor, state: S, shift: Callable[[S], float | Tensor], increase: Callable[[S], S]
) -> Proposal | None:
    """-(B + shift I)^-1 g, with the state increased until that matrix is positive definite.

    None where B (d, d) is not finite, or the shift leaves the range: the first entry of the state stands for it.
    """
    while math.isfinite(state[0]):
        shifted = matrix.clone()
        shifted.diagonal().add_(shift(state))
        if point.x.device.type != "cpu":
            if (proposal := _read_at_once(point, shifted, state)) is not None:
                return proposal
        elif (found := factor(shifted)) is not None:
            return newton_proposal(point, -found.solve(point.gradient), state)
        if not bool(matrix.isfinite().all()):
            return None
        count("shifted")
        state = increase(state)
    return None


def _read_at_once(point: Point, shifted: Tensor, state: Any) -> Proposal | None:
    """-shifted^-1 g where that matrix is positive definite, by one read of a device."""
    found, failed = unchecked_factor(shifted)
    direction = found.solve(point.gradient).neg_()
    slope, length = torch.dot(point.gradient, direction), torch.dot(direction, direction)
    slope, length, failed = read_together(slope, length, failed)
    return None if failed else finite_proposal(Proposal(direction, slope, state, length))
