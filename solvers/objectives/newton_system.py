"""The Newton system at a point: its factor and its solution, computed once and cached on the point."""

from __future__ import annotations

from torch import Tensor

from ..common.cached import cached
from ..linalg.cholesky import DualFactor, Factor, dual_factor, factor, shifted_factor
from .base import Point


@cached
def newton_factor(point: Point) -> Factor | DualFactor | None:
    """The scaled Cholesky factor of the undamped Hessian; None if it is not positive definite."""
    dual = point.dual
    found = None if dual is None else dual_factor(*dual)
    return factor(point.hessian) if found is None else found


@cached
def newton_direction(point: Point) -> Tensor | None:
    """-H^-1 g, (d,), by `newton_factor`; None without one. The stopping test and a Newton method share it."""
    found = newton_factor(point)
    return None if found is None else found.solve(point.gradient).neg_()


@cached
def shifted_direction(point: Point) -> Tensor | None:
    """-(H + shift D)^-1 g, (d,), by `shifted_factor`."""
    found = shifted_factor(point.hessian)
    return None if found is None else -found.solve(point.gradient)


def safe_newton_direction(point: Point) -> Tensor | None:
    """`newton_direction`, or `shifted_direction` where the Hessian is not positive definite."""
    direction = newton_direction(point)
    return shifted_direction(point) if direction is None else direction
