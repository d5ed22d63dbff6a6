"""Checks of derivatives: autograd, central differences and Taylor remainders, block by block."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import linear_regression
from typing import Any

import torch
from torch import Tensor

from .autograd import FunctionObjective

AUTOGRAD_TOLERANCE = 4500  # rounding units: 1e-12 in float64
DIFFERENCE_TOLERANCE = 4500  # times eps^(2/3), the best that central differences can do: 1.6e-7 in float64
SLOPE_TOLERANCE = 0.1
CLEAR = 100  # a remainder so many times larger than rounding gives a slope to one or two percent
HALVINGS = 36  # from a step of 1/2 to one of 1e-11


@dataclass(frozen=True)
class Curve:
    """Errors (>= 0) against steps (> 0), from the shortest step to the longest, and the slope of their logarithms.

    The slope is taken over the shortest steps whose errors are clearly above rounding: over longer steps the next term
    of the series may mask a wrong derivative. NaN where all errors are rounding.
    """

    steps: tuple[float, ...]
    errors: tuple[float, ...]
    slope: float


@dataclass(frozen=True)
class BlockCheck:
    """What was found for one block of the parameter vector.

    gradient_error: ||g - reference|| / ||reference|| over the block; None where no reference was given.
    difference_error: the smallest relative error of central differences along one direction in the block.
    differences: that error against the step. Its slope is 2, and -1 (`rounding_slope`) where rounding rules.
    first, second: the Taylor remainders |f(x + t v) - f - t g v| and |... - t^2/2 v H v|: slopes 2 and 3. A slope is
        NaN where all of it is rounding (the second of a function that is quadratic in the block), and may be larger.
    failures: the checks that failed, by name.
    """

    block: str
    size: int
    gradient_error: float | None
    difference_error: float
    rounding_slope: float
    differences: Curve
    first: Curve
    second: Curve
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.failures


def check_derivatives(
    objective: Any,
    x: Tensor,
    reference: Callable[[Tensor], Tensor] | None = None,
    blocks: Mapping[str, slice] | None = None,
    *,
    seed: int = 0,
    reach: Callable[[Tensor], float] | None = None,
) -> list[BlockCheck]:
    """Gradient and Hessian-vector product of an objective at x (d,), for each block of the vector.

    reference: the same function, written independently in torch operations, for autograd.
    blocks: name -> slice of x; the whole vector where None. x should be stationary in none of them: errors are
        relative.
    reach: for a direction v, the longest t up to which f is smooth between x - t v and x + t v. ValueError where it
        is 0.
    """
    point = objective.at(x)
    expected = None if reference is None else FunctionObjective(reference).at(x).gradient
    generator = torch.Generator().manual_seed(seed)
    found = []
    for name, part in (blocks or {"x": slice(None)}).items():
        v = _direction(point, part, generator)
        error = None if expected is None else _relative(point.gradient[part], expected[part])
        longest = 0.5 if reach is None else min(0.5, reach(v))
        if not longest > 0:
            raise ValueError(f"f has a kink at x along block {name}: check it at another x")
        found.append(_check_block(name, len(x[part]), point, v, error, longest))
    return found


def _direction(point: Any, part: slice, generator: torch.Generator) -> Tensor:
    """A direction within the block, as long as x is there (at least 1): half gradient, half random, so g^T v > 0."""
    g = point.gradient[part]
    chance = torch.randn(g.shape, generator=generator, dtype=torch.float64).to(g)
    mixed = chance / torch.linalg.vector_norm(chance)
    length = torch.linalg.vector_norm(g)
    if float(length) > 0:
        mixed = g / length + mixed * torch.where(torch.dot(mixed, g) < 0, -1.0, 1.0)
    v = torch.zeros_like(point.x)
    v[part] = mixed / torch.linalg.vector_norm(mixed) * max(1.0, float(torch.linalg.vector_norm(point.x[part])))
    return v


def _relative(found: Tensor, expected: Tensor) -> float:
    error, size = (float(torch.linalg.vector_norm(part)) for part in (found - expected, expected))
    return error if size == 0 else error / size


def _check_block(
    name: str, size: int, point: Any, v: Tensor, gradient_error: float | None, longest: float
) -> BlockCheck:
    eps = torch.finfo(v.dtype).eps
    f, slope, bend = point.float_value, float(torch.dot(point.gradient, v)), float(torch.dot(v, point.hvp(v)))

    def rise(t: float) -> float:
        return (point + t * v).float_value - f

    # Steps of a few rounding units measure the rounding errors of f.
    noise = max(eps * abs(f), *(abs(rise(t) - t * slope) for t in (eps * 2.0**j for j in range(8))))
    steps = tuple(longest * 2.0**-j for j in reversed(range(HALVINGS)))
    ups, downs = [rise(t) for t in steps], [rise(-t) for t in steps]
    first = tuple(abs(up - t * slope) for t, up in zip(steps, ups, strict=True))
    second = tuple(abs(up - t * slope - t * t / 2 * bend) for t, up in zip(steps, ups, strict=True))
    odd = tuple(abs(up - down - 2 * t * slope) for t, up, down in zip(steps, ups, downs, strict=True))
    relative = tuple(error / (2 * t * (abs(slope) or 1.0)) for t, error in zip(steps, odd, strict=True))
    best = min(range(HALVINGS), key=relative.__getitem__)

    difference = relative[best]
    curves = [Curve(steps, errors, _slope(steps, errors, noise)) for errors in (first, second)]
    failures = []
    if gradient_error is not None and not gradient_error <= AUTOGRAD_TOLERANCE * eps:
        failures.append("autograd")
    # Where f is smooth only over short steps or its slope is small, differences are all rounding.
    if not difference <= DIFFERENCE_TOLERANCE * eps ** (2 / 3) + noise / (longest * (abs(slope) or 1.0)):
        failures.append("central differences")
    for curve, order, label in zip(curves, (2, 3), ("first", "second"), strict=True):
        if curve.slope < order - SLOPE_TOLERANCE or any(map(math.isnan, curve.errors)):
            failures.append(f"{label} Taylor remainder")
    return BlockCheck(
        block=name,
        size=size,
        gradient_error=gradient_error,
        difference_error=difference,
        rounding_slope=_fit(steps[:best], relative[:best]),
        differences=Curve(steps, relative, _slope(steps, odd, noise) - 1),
        first=curves[0],
        second=curves[1],
        failures=tuple(failures),
    )


def _slope(steps: tuple[float, ...], errors: tuple[float, ...], noise: float) -> float:
    """The slope over the first five steps, in order of length, whose errors are clear of noise; NaN if under three."""
    clear = [CLEAR * noise < error < math.inf for error in errors]
    for i in range(len(steps) - 2):
        if all(clear[i : i + 3]):
            return _fit(steps[i : i + 5], errors[i : i + 5])
    return math.nan


def _fit(steps: tuple[float, ...], errors: tuple[float, ...]) -> float:
    """The slope of log(error) over log(step) by least squares, exact zeros left out; NaN for under three of them."""
    pairs = [(math.log(t), math.log(error)) for t, error in zip(steps, errors, strict=True) if 0 < error < math.inf]
    return linear_regression(*zip(*pairs, strict=True)).slope if len(pairs) >= 3 else math.nan
