"""Does the gradient match f? Differences of values along one direction tell, where a run ends."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..common.instrumentation import phase
from ..objectives.base import Point
from ..objectives.rounding import resolution
from .decrement import NOISE

WRONG = 1e-2  # of the slope: what two differences may miss together, or a wrong gradient is off by
CLEAR = 10  # times as large as what could explain it
LEAST_SIZE = 1e-3  # of the largest variable: what is 0 but for rounding has no size of its own
REMEDY = (
    "compare them by datasets.checks.derivatives.differences(objective, x), as `python -m datasets derivatives` does "
    "for problems by name"
)


def mismatch(point: Point, direction: Tensor, size: float = 0.0) -> str:
    """How g^T d contradicts central differences of f along d, and the remedy; empty where it does not, or in doubt.

    Steps run from eps^(5/8) to eps^(1/8) of size, or where that is 0 of the variables that d moves. Two of them in turn
    must tell the same slope, far more clearly than rounding, bends and kinks of f could. At most ten values of f.
    """
    if getattr(point.objective, "closed_form", False):
        return ""
    slope = float(torch.dot(point.gradient, direction))
    length = float(torch.linalg.vector_norm(direction, math.inf))
    if not (math.isfinite(slope) and 0 < length < math.inf):
        return ""
    size = size or float((direction / length * point.x).abs().max()) or 1.0
    eps, unit = torch.finfo(direction.dtype).eps, size / length
    before = math.nan
    for eighths in (5, 4, 3, 2, 1):
        t = unit * eps ** (eighths / 8)
        up, down = _rise(point, t * direction), -_rise(point, -t * direction)
        measured, noise = (up + down) / (2 * t), resolution(point) / t
        error, least = abs(measured - slope), WRONG * max(abs(slope), abs(measured))
        if CLEAR * noise <= least and error <= least:
            return ""
        bend = abs(up - down) / t
        if error > CLEAR * noise and CLEAR * (bend - NOISE * noise) > error:  # longer steps tell less of the slope here
            return ""
        told = error > max(least, CLEAR * noise, CLEAR * bend)
        if told and abs(measured - before) * CLEAR <= error:
            found = f"g·d = {slope:.3g} along a direction, measured {measured:.3g}"
            return f"the gradient does not match f: {found}; {_cause(point)}; {REMEDY}"
        before = measured if told else math.nan
    return ""


def mismatch_anywhere(point: Point, x0: Tensor) -> str:
    """The same along a random direction; of derivatives by autograd alone, of which a part of f may be cut off."""
    if not getattr(point.objective, "by_autograd", False):
        return ""
    sizes = _sizes(point, x0)
    return mismatch(point, _random(sizes), float(sizes.max()))


def false_minimum(point: Point, x0: Tensor, bound: float) -> str:
    """Why a point that passed the tests is no minimum: f is lower beside it, and the gradient does not say so.

    Two values of f along a random direction; if the parabola through them promises more than the bound, a third at its
    minimum. Where f is lower indeed the gradient is compared with differences, here and beside: of derivatives by
    autograd, as above.
    """
    if not getattr(point.objective, "by_autograd", False):
        return ""
    sizes = _sizes(point, x0)
    direction = _random(sizes)
    step = torch.finfo(direction.dtype).eps ** 0.25 * direction  # balances rounding and bends in a second difference
    enough = -2 * bound - NOISE * resolution(point)
    with phase("stopping test"):
        up, down = _rise(point, step), _rise(point, -step)
        lowest, bend = min(up, down), up + down
        if not lowest < enough and bend > 0:
            share = (down - up) / (2 * bend)  # of the step, where the parabola is lowest
            if abs(share) < 1 and -bend / 2 * share**2 < enough:
                lowest = _rise(point, share * step)
        if not lowest < enough:
            return ""
        size = float(sizes.max())
        return mismatch(point, direction, size) or mismatch(point + step, direction, size)


def _sizes(point: Point, x0: Tensor) -> Tensor:
    """How large the variables are, (d,): here, or on the way."""
    sizes = point.x.abs().maximum((point.x - x0).abs())
    return sizes.clamp(min=LEAST_SIZE * float(sizes.max()) or 1.0)


def _random(sizes: Tensor) -> Tensor:
    """The same direction every time, in units of the variables, (d,)."""
    return sizes * torch.randn(len(sizes), generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(sizes)


def _rise(point: Point, step: Tensor) -> float:
    """f(x + step) - f(x); NaN where f raises."""
    try:
        return (point + step).float_value - point.float_value
    except Exception:  # of the user's function, which no solver has asked for this x
        return math.nan


def _cause(point: Point) -> str:
    if getattr(point.objective, "by_autograd", False):
        return "is a part of f cut from autograd's graph (detach, item, data, no_grad)?"
    return "is it that of another function?"
