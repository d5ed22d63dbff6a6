"""Does a minimiser exist? The last part of the test of convergence.

`objective.no_minimiser` proves that none does; `point.has_minimiser` proves that one does; `objective.escaping` and
core/runaway.py only suspect that none does.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..objectives.base import NewtonDirection, Point
from .decrement import exact_decrement

STEPS = 3  # each squares the remaining error

NoMinimiser = Callable[..., str | None]  # of a point, and a Newton direction for the proofs that need one
Escaping = Callable[[Point, NewtonDirection], bool]


def existence(point: Point, no_minimiser: NoMinimiser, escaping: Escaping) -> tuple[str | None, bool]:
    """Why there is no minimiser, as far as that is proved; and whether the iterates may be running to infinity."""

    if point.has_minimiser():
        return None, False

    def direction() -> torch.Tensor | None:
        return exact_decrement(point).direction

    reason = no_minimiser(point, direction)
    if reason and (certain := no_minimiser(point)):
        return certain, True
    away = escaping(point, direction)
    return (confirmed(point, no_minimiser) if reason or away else None), away


def confirmed(point: Point, no_minimiser: NoMinimiser) -> str | None:
    """The proof by a Newton direction, made again some Newton steps further: in float64 where the objective can.

    Along a direction in which f falls for ever each step is about as long as the last, while the other components,
    whose errors may hide that in float32, soon converge. Towards a minimiser, however far away, steps soon vanish: it
    may exist because of rows that a long step hardly moves, where the lengths of rows differ by 1e10.
    """
    exact = point.in_double() if point.x.dtype == torch.float32 else None
    exact = point if exact is None else exact
    decrement = exact_decrement(exact)
    for _ in range(STEPS):
        if decrement.direction is None:
            return None
        before, exact = decrement, exact + decrement.direction
        decrement = exact_decrement(exact)
        if not decrement.half <= before.half:  # more than the quadratic model had promised
            return None
    return no_minimiser(exact, lambda: decrement.direction)
