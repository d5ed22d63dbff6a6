"""Arithmetic with Python floats that overflows to infinity, as tensors do, instead of raising an exception."""

from __future__ import annotations

from torch import Tensor

LARGEST_FACTOR = 3.4e38  # of a float32 tensor: torch refuses a larger `alpha`


def squared(size: float) -> float:
    """size^2; infinite where `size ** 2` is an OverflowError."""
    return size * size


def add_scaled(x: Tensor, step: Tensor, t: float) -> Tensor:
    """x + t step, (d,), for any t: in float64 where t itself overflows float32, for t step may not."""
    if abs(t) <= LARGEST_FACTOR:
        return x.add(step, alpha=t)
    return x + (step.double() * t).to(x.dtype)
