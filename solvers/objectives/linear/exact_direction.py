"""Does some direction near a rounded one move no row the wrong way? In rational numbers, for rows that are exact."""

from __future__ import annotations

from fractions import Fraction
from math import lcm

from torch import Tensor

Equation = dict[int, Fraction]  # coordinate -> coefficient, of the coordinates that are free


def weakly_separates(rows: Tensor, direction: Tensor) -> bool:
    """Whether a w near a direction (d,) has r w >= 0 for all rows r (m, d), and r w > 0 for one of them.

    From w = direction, a row with r w < 0 is held: one coordinate of w follows from the others by r w = 0, and no
    longer is the direction's. At most d rows can be, so this ends, with a proof or with w = 0. A proof is one for any
    w; that none is found proves nothing. It takes about d^3 operations on numbers of up to 53 d binary digits, and
    m d for each pass over the rows, which are few.
    """
    whole = [_whole([Fraction(v) for v in row]) for row in rows.tolist()]
    start = [Fraction(v) for v in direction.tolist()]
    held: dict[int, Equation] = {}  # a coordinate that is not free -> what it is of those that are
    w, complete = _whole(start), False
    while not complete:
        complete = True
        for row in whole:
            if _dot(row, w) < 0:
                _hold(row, held, start)
                w, complete = _whole(_solved(held, start)), False
    return any(_dot(row, w) > 0 for row in whole)


def _whole(numbers: list[Fraction]) -> list[int]:
    """A positive multiple that is whole."""
    common = lcm(*(v.denominator for v in numbers))
    return [v.numerator * (common // v.denominator) for v in numbers]


def _dot(row: list[int], w: list[int]) -> int:
    return sum(a * b for a, b in zip(row, w, strict=True))


def _hold(row: list[int], held: dict[int, Equation], start: list[Fraction]) -> None:
    """Add the equation r w = 0, solved for the free coordinate that has the largest term in it."""
    reduced: Equation = {}
    for j, entry in enumerate(row):
        for k, share in held.get(j, {j: Fraction(1)}).items():
            reduced[k] = reduced.get(k, Fraction(0)) + entry * share
    pivot = max(reduced, key=lambda k: abs(reduced[k] * start[k]))
    scale = -reduced.pop(pivot)
    equation = {k: entry / scale for k, entry in reduced.items() if entry}
    for other in held.values():
        if share := other.pop(pivot, None):
            for k, entry in equation.items():
                other[k] = other.get(k, Fraction(0)) + share * entry
    held[pivot] = equation


def _solved(held: dict[int, Equation], start: list[Fraction]) -> list[Fraction]:
    """w: the start's free coordinates, and the others by their equations."""
    w = list(start)
    for j, equation in held.items():
        w[j] = sum((entry * start[k] for k, entry in equation.items()), Fraction(0))
    return w
