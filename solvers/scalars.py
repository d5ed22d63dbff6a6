"""Numbers that the host has read, where Python raises an exception and a tensor would hold an infinity."""

from __future__ import annotations


def squared(size: float) -> float:
    """size^2; infinite where `size ** 2` is an OverflowError."""
    return size * size
