"""Whether a minimiser exists, asked in float64 where rounding spoils the proof in float32."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .decrement import exact_decrement
from .objectives.base import NewtonDirection, Point

STEPS = 3  # each squares what is left of the error

NoMinimiser = Callable[[Point, NewtonDirection], str | None]


def disproved_in_double(point: Point, no_minimiser: NoMinimiser) -> str | None:
    """A proof that there is no minimiser, from a float32 point that runs away; None where none is found.

    On its way to infinity a point keeps an error of float32 in what converges, and the Newton direction corrects that,
    too. After some Newton steps in float64 the direction holds what escapes, and nothing else.
    """
    exact = point.in_double() if point.x.dtype == torch.float32 else None
    for _ in range(STEPS if exact is not None else 0):
        direction = exact_decrement(exact).direction
        if direction is None:
            return None
        if reason := no_minimiser(exact, lambda found=direction: found):
            return reason
        exact = exact + direction
    return None
