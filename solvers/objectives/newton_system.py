"""The Newton system at a point: its factor and its solution, computed once and cached on the point."""

from __future__ import annotations

import torch
from torch import Tensor

from ..common.cached import cached
from ..common.instrumentation import current
from ..common.scalars import read_together
from ..linalg.cholesky import (
    DualFactor,
    Factor,
    dual_factor,
    factor,
    rounding_shift,
    safe_factor,
    shifted_factor,
    unchecked_factor,
)
from .base import Point


@cached
def newton_factor(point: Point) -> Factor | DualFactor | None:
    """The scaled Cholesky factor of the undamped Hessian; None if it is not positive definite."""
    dual = point.dual
    found = None if dual is None else dual_factor(*dual)
    return factor(point.hessian) if found is None else found


@cached
def newton_direction(point: Point) -> Tensor | None:
    """-H^-1 g, (d,), by `newton_factor`; None without one. The stopping test and a Newton method share it.

    On a device the host reads at once whether there is a factor and the slope g^T d, which is cached, too.
    """
    known = point.__dict__
    at_once = "_newton_factor" not in known and current.get().clock is None  # phases are timed one by one
    if at_once and point.dual is None and (solved := point.newton_solution()) is not None:
        known["_newton_factor"], direction, known["_newton_slope"] = solved
        return direction
    if "_newton_factor" in known or point.x.device.type == "cpu" or point.dual is not None:
        found = newton_factor(point)
        return None if found is None else found.solve(point.gradient).neg_()
    found, info = unchecked_factor(point.hessian)
    direction = found.solve(point.gradient).neg_()
    slope, failed = read_together(torch.dot(point.gradient, direction), info)
    known["_newton_factor"] = None if failed else found
    known["_newton_slope"] = slope
    return None if failed else direction


def is_regular(point: Point) -> bool:
    """Whether the Hessian has a factor whose pivots are above the rounding of a factorisation: below that they are what
    rounding has made them, and so is the direction."""
    found = newton_factor(point)
    return found is not None and float(found.lower.diagonal().min()) ** 2 >= rounding_shift(len(point.x), point.x.dtype)


def slope_along(point: Point, direction: Tensor) -> float:
    """g^T d."""
    known = point.__dict__
    if "_newton_slope" in known and direction is known.get("_newton_direction"):
        return known["_newton_slope"]
    return float(torch.dot(point.gradient, direction))


@cached
def shifted_direction(point: Point) -> Tensor | None:
    """-(H + shift D)^-1 g, (d,), by `shifted_factor`."""
    found = shifted_factor(point.hessian)
    return None if found is None else -found.solve(point.gradient)


def coarse_newton_direction(point: Point, precision: str) -> Tensor | None:
    """-B^-1 g, (d,), B the Hessian from products in a lower precision, shifted where it is not positive definite.

    Where the point has its Hessian already, which the test of convergence computes, that of `safe_newton_direction`.
    """
    if "hessian" in point.__dict__ or point.dual is not None:
        return safe_newton_direction(point)
    found = safe_factor(point.coarse_hessian(precision))
    return None if found is None else found.solve(point.gradient).neg_()


def safe_newton_direction(point: Point) -> Tensor | None:
    """`newton_direction`, or `shifted_direction` where the Hessian is not positive definite."""
    direction = newton_direction(point)
    return shifted_direction(point) if direction is None else direction
