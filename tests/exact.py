"""A stand-in for torch whose numbers have 40 digits: what a function of the collection says, without its rounding."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from unittest.mock import patch

import mpmath
import numpy as np

from datasets.functions import more_garbow_hillstrom

DIGITS = 40


class Exact(np.ndarray):
    """An array of mpmath numbers, with the names that a tensor has."""

    device = None


def array(values) -> Exact:
    return np.array([mpmath.mpf(v) for v in values], dtype=object).view(Exact)


def _each(function: Callable) -> Callable:
    def apply(x):
        return np.frompyfunc(function, 1, 1)(x).view(Exact) if isinstance(x, np.ndarray) else function(x)

    return apply


def _sequence(start: int, end: int, **_) -> Exact:
    return array(range(start, end))


STAND_IN = SimpleNamespace(
    arange=_sequence,
    tensor=lambda values, **_: array(values),
    stack=lambda parts: np.array(list(parts), dtype=object).view(Exact),
    cat=lambda parts: np.concatenate([np.asarray(part) for part in parts]).view(Exact),
    minimum=np.minimum,
    abs=np.abs,
    **{name: _each(getattr(mpmath, name)) for name in ("exp", "log", "sin", "cos", "atan", "sqrt")},
)


def sum_of_squares(residuals: Callable, x: list, module: ModuleType = more_garbow_hillstrom) -> mpmath.mpf:
    """f(x) of a function of residuals in a module, to 40 digits of what is written there."""
    with mpmath.workdps(DIGITS), patch.object(module, "torch", STAND_IN):
        return mpmath.fsum(np.asarray(r).item() ** 2 for r in residuals(array(x)))


def newton_step(f: Callable[[list], mpmath.mpf], x: list) -> tuple[list, mpmath.mpf]:
    """The Newton step from x and the decrease that it promises, by central differences of 40 digits."""
    with mpmath.workdps(DIGITS):
        x = [mpmath.mpf(v) for v in x]
        h = [mpmath.mpf(10) ** -10 * max(abs(v), mpmath.mpf(10) ** -6) for v in x]
        d = len(x)

        def moved(*steps: tuple[int, int]) -> mpmath.mpf:
            y = list(x)
            for i, sign in steps:
                y[i] += sign * h[i]
            return f(y)

        here, up, down = f(x), [moved((i, 1)) for i in range(d)], [moved((i, -1)) for i in range(d)]
        gradient, hessian = mpmath.matrix(d, 1), mpmath.matrix(d, d)
        for i in range(d):
            gradient[i] = (up[i] - down[i]) / (2 * h[i])
            hessian[i, i] = (up[i] - 2 * here + down[i]) / h[i] ** 2
            for j in range(i):
                mixed = moved((i, 1), (j, 1)) - up[i] - up[j] + here
                hessian[i, j] = hessian[j, i] = mixed / (h[i] * h[j])
        step = mpmath.lu_solve(hessian, -gradient)
        return list(step), -mpmath.fdot(gradient, step) / 2
