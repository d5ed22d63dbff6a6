"""BFGS: the inverse Hessian as a matrix, updated by the change of the gradient in each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.instrumentation import phase
from ..core.solver import Proposal, towards
from ..line_search.wolfe import WolfeSearch
from ..objectives.base import Point
from .lbfgs import steepest
from .limited_memory import Pair, difference


class Inverse(NamedTuple):
    """B, after the first pair, and the iterate of the last direction."""

    matrix: Tensor | None = None  # (d, d)
    last: Point | None = None


@dataclass(frozen=True)
class BFGS(WolfeSearch):
    """x+ = x - t B g,  B+ = (I - r s y^T) B (I - r y s^T) + r s s^T,  r = 1 / s^T y; t by strong Wolfe.

    s = x+ - x, y = g+ - g; pairs whose s^T y is rounding are left out. Before the first update B is gamma I with
    gamma = s^T y / y^T y (eq. 6.20). Without a B the direction is LBFGS's without a pair: at the start, and after a
    search that failed. (Nocedal & Wright, Alg. 6.1 and eq. 6.17, p. 140.)
    """

    needs = "hessian"  # not as a derivative, but B is as large

    def init(self, point: Point) -> Inverse:
        return Inverse()

    def propose(self, point: Point, state: Inverse) -> Proposal:
        with phase("solve"):
            first, state = state.last is None, updated(point, state)
            if state.matrix is None:
                return towards(point, steepest(point, first), state)
            return towards(point, -(state.matrix @ point.gradient), state)


def updated(point: Point, state: Inverse) -> Inverse:
    """With the pair of the last step; the same object where nothing is left to try."""
    if state.last is point:  # the last search failed
        return state if state.matrix is None else Inverse(None, point)
    pair = None if state.last is None else difference(state.last, point)
    return Inverse(bfgs_update(state.matrix, pair) if pair else state.matrix, point)


def bfgs_update(B: Tensor | None, pair: Pair) -> Tensor | None:
    """B+, (d, d), which maps y to s; from gamma I where B is None, and None where gamma overflows."""
    s, y, curvature = pair
    if B is None:
        size = float(torch.dot(y, y))
        if size == 0:  # the squares underflow to 0
            return None
        B = torch.eye(len(s), dtype=s.dtype, device=s.device) * (curvature / size)
    By = B @ y  # (d,)
    # s s^T (1 + y^T B y / s^T y) / s^T y - (B y s^T + s y^T B) / s^T y as one vector with s, and its transpose
    half = s * ((1 + float(torch.dot(y, By)) / curvature) / (2 * curvature)) - By / curvature
    change = torch.outer(half, s)
    return B + (change + change.T)
