"""Numbers of the host: read off a device, and computed with floats that overflow to infinity as tensors do."""

from __future__ import annotations

import torch
from torch import Tensor

LARGEST_FACTOR = 3.4e38  # of a float32 tensor: torch refuses a larger `alpha`


def squared(size: float) -> float:
    """size^2; infinite where `size ** 2` is an OverflowError."""
    return size * size


def read_together(first: Tensor, *others: Tensor) -> list[float]:
    """Tensors of no dimension as numbers, for which the host waits once; the first has the dtype of all that matter."""
    return torch.stack([first, *(number.to(first.dtype) for number in others)]).tolist()


def add_scaled(x: Tensor, step: Tensor, t: float) -> Tensor:
    """x + t step, (d,), for any t: in float64 where t itself overflows float32, for t step may not."""
    if abs(t) <= LARGEST_FACTOR:
        return x.add(step, alpha=t)
    return x + (step.double() * t).to(x.dtype)
