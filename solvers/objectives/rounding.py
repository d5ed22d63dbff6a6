"""Bounds on what rounding does to f and its derivatives at a point."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..common.validation import EPS

if TYPE_CHECKING:
    from typing import Self  # Python 3.11

ROUNDING = 8  # changes of f below this many units in its last place are noise


class RoundingBounds:
    """The rounding errors of a point, as far as they are known: part of Point.

    The stopping test enlarges what it computes by them. The defaults are for an f of which nothing is known but its
    derivatives; a subclass that knows how these are computed overrides them.
    """

    x: Tensor
    value: Tensor
    float_value: float
    hessian_diagonal: Tensor

    def diagonal_form(self, v: Tensor) -> float:
        """v^T |diag H| v."""
        return float(torch.dot(v.square(), self.hessian_diagonal.abs()))

    def curvature_noise(self, v: Tensor) -> float:
        """The rounding error of v^T H v, computed as a product H v."""
        return len(v) * torch.finfo(v.dtype).eps * self.diagonal_form(v)

    def slope_noise(self, v: Tensor) -> float:
        """The rounding error of g^T v: g^2 is measured in units of |f| times the curvature."""
        return torch.finfo(v.dtype).eps * math.sqrt(abs(self.float_value) * self.diagonal_form(v))

    def gradient_noise(self) -> float:
        """The rounding error of the gradient, about, in its 2-norm."""
        return 0.0

    def rounding_gap(self) -> float:
        """The part of f - f* that rounding may hide from the gradient."""
        return 0.0

    def gradient_drift(self) -> float:
        """The largest difference between an entry of the gradient and that of `recomputed`."""
        return 0.0

    def refreshed(self) -> Self:
        """The same point without what it inherited along a ray, where that may have lost digits that f can show."""
        return self

    def recomputed(self) -> Self:
        """The same point with nothing inherited, however little that changes f."""
        return self

    def in_double(self) -> Any:
        """The same objective in float64 at this very x; None where there is none, or it is too expensive."""
        return None


def resolution(point: RoundingBounds) -> float:
    """The change of f that rounding hides at a point."""
    return ROUNDING * EPS[point.x.dtype] * abs(point.float_value)
