"""The Newton system at a point: its factor and its solution, computed once and kept on the point."""

from __future__ import annotations

from torch import Tensor

from ..linalg.cholesky import DualFactor, Factor, dual_factor, factor, shifted_factor
from .base import Point


def newton_factor(point: Point) -> Factor | DualFactor | None:
    """The scaled Cholesky factor of the undamped Hessian, kept on the point; None if it is not positive definite."""
    kept = point.__dict__
    if "_newton_factor" not in kept:
        dual = point.dual
        found = None if dual is None else dual_factor(*dual)
        kept["_newton_factor"] = factor(point.hessian) if found is None else found
    return kept["_newton_factor"]


def newton_direction(point: Point) -> Tensor | None:
    """-H^-1 g, (d,), by `newton_factor`; None where there is none.

    Kept on the point: the stopping test and the step of a Newton method share it.
    """
    kept = point.__dict__
    if "_newton_direction" not in kept:
        found = newton_factor(point)
        kept["_newton_direction"] = None if found is None else found.solve(point.gradient).neg_()
    return kept["_newton_direction"]


def shifted_direction(point: Point) -> Tensor | None:
    """-(H + shift D)^-1 g, (d,), by `shifted_factor`; kept on the point."""
    kept = point.__dict__
    if "_shifted_direction" not in kept:
        found = shifted_factor(point.hessian)
        kept["_shifted_direction"] = None if found is None else -found.solve(point.gradient)
    return kept["_shifted_direction"]
