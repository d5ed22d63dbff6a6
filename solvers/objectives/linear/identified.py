"""A point in fewer coordinates, where f is constant along directions that are known by its form."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..base import Point


class ReferencePoint:
    """What the stopping test needs of a point, over the coordinates `keep` alone.

    Where f is constant along k known directions, k coordinates can be fixed without loss. The remaining Hessian is
    regular unless there are other null directions, and no test of smallness has to find the known ones. Its derivatives
    are parts of those of the whole point, and are counted there.
    """

    dual = None  # no cheaper way to H^-1 is known

    def __init__(self, whole: Point, keep: Tensor) -> None:
        self.whole, self.keep = whole, keep
        self.objective, self.value, self.float_value = whole.objective, whole.value, whole.float_value
        self.x, self.gradient = whole.x[keep], whole.gradient[keep]
        self.hessian = whole.hessian[keep.unsqueeze(1), keep]

    def restored(self, v: Tensor) -> Tensor:
        """v with 0 for the fixed coordinates, as long as the whole x."""
        return torch.zeros_like(self.whole.x, dtype=v.dtype).index_copy_(0, self.keep, v)

    def hvp(self, v: Tensor) -> Tensor:
        return self.whole.hvp(self.restored(v))[self.keep]

    def curvature_noise(self, v: Tensor) -> float:
        return self.whole.curvature_noise(self.restored(v))

    def slope_noise(self, v: Tensor) -> float:
        return self.whole.slope_noise(self.restored(v))

    def rounding_gap(self) -> float:
        return self.whole.rounding_gap()

    def null_space_dimension(self) -> int | None:
        known = self.whole.null_space_dimension()
        return None if known is None else known - (len(self.whole.x) - len(self.x))

    def in_double(self) -> ReferencePoint | None:
        double: Any = self.whole.in_double()
        return None if double is None else ReferencePoint(double, self.keep)
