"""What rounding hides of f at a point."""

from __future__ import annotations

from ..common.validation import EPS
from .base import Point

ROUNDING = 8  # changes of f below this many units in its last place are noise


def value_read(point: Point) -> float:
    """f, without reading it off the device once more where the loop has done so."""
    kept = point.__dict__
    return kept["_value_read"] if "_value_read" in kept else float(point.value)


def resolution(point: Point) -> float:
    """The change of f that rounding hides at a point."""
    return ROUNDING * EPS[point.x.dtype] * abs(float(point.value))
