"""Numbers that the host has read, where Python or torch raises an exception and a tensor would hold an infinity."""

from __future__ import annotations

from torch import Tensor

LARGEST_FACTOR = 3.4e38  # of a float32 tensor: torch refuses a larger `alpha`


def squared(size: float) -> float:
    """size^2; infinite where `size ** 2` is an OverflowError."""
    return size * size


def add_scaled(x: Tensor, step: Tensor, t: float) -> Tensor:
    """x + t step, (d,), for any t: in float64 where t is no number of float32, for t step may be one."""
    if abs(t) <= LARGEST_FACTOR:
        return x.add(step, alpha=t)
    return x + (step.double() * t).to(x.dtype)
