"""Trust regions with Powell's dogleg: one factorisation per point, whatever the radius."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.cached import cached
from ..common.instrumentation import phase
from ..linalg.cholesky import shifted_factor
from ..objectives.base import Point
from ..objectives.newton_system import newton_direction
from .driver import Trial, TrustRegion


class Legs(NamedTuple):
    """The corners of the path from 0, and the model's Hessian, B, times the first of them."""

    cauchy: Tensor  # (d,), the minimiser along -D^-1 g
    bends: Tensor  # (d,), B cauchy
    newton: Tensor  # (d,), -B^-1 g


@dataclass(frozen=True)
class DoglegTrustRegion(TrustRegion):
    """TrustRegion with s where the path 0, cauchy, newton leaves the region, or newton if it does not.

    cauchy is the minimiser of the model along -D^-1 g, newton that of all (Powell 1970, in Numerical Methods for
    Nonlinear Algebraic Equations, p. 87; Nocedal & Wright, section 4.1). Where H is not positive definite the model's
    Hessian is H + shift |diag H|, with CholeskyNewton's shift, the smallest of a few that can be factored; it promises
    less than H does, never more. So no step uses negative curvature that the gradient does not point along.
    """

    def trial(self, point: Point, sizes: Tensor, radius: float, first: float) -> Trial | None:
        path = legs(point, sizes)
        return None if path is None else along(point, sizes, path, radius)


@cached
def legs(point: Point, sizes: Tensor) -> Legs | None:
    g = point.gradient
    newton, shifts = newton_direction(point), None
    if newton is None:
        if (found := shifted_factor(point.hessian)) is None:
            return None
        newton, shifts = -found.solve(g), found.shift / found.scale.square()
    with phase("solve"):
        steepest = -g / sizes / sizes
        bends = point.hvp(steepest) if shifts is None else point.hvp(steepest).addcmul(shifts, steepest)
        slope, curvature = torch.stack([g, bends]).mv(steepest).tolist()
        t = -slope / curvature if curvature > 0 else 1.0  # positive, but for rounding
        return Legs(t * steepest, t * bends, newton)


def along(point: Point, sizes: Tensor, path: Legs, radius: float) -> Trial:
    """The point of the path that is `radius` from 0 in the norm of D, or its end."""
    with phase("solve"):
        # In units of the radius: the squares of short steps, and of a short radius, would be 0.
        ends = (sizes * torch.stack([path.cauchy, path.newton])).double() / radius  # (2, d)
        (first, both), (_, last) = (ends @ ends.T).tolist()
        if last <= 1:
            slope = float(torch.dot(point.gradient, path.newton))
            return Trial(path.newton, slope, radius * last**0.5, -0.5 * slope, False)
        if first >= 1:
            t = 1 / first**0.5
            s, bends = t * path.cauchy, t * path.bends
        else:  # |c + t (n - c)|^2 = 1
            across, square = both - first, max(first - 2 * both + last, 0.0)
            room = 1 - first
            reach = across + (across * across + square * room) ** 0.5
            t = room / reach if reach > 0 else 0.0
            s = torch.lerp(path.cauchy, path.newton, t)
            bends = torch.lerp(path.bends, -point.gradient, t)  # B newton = -g
        slope, curvature = torch.stack([point.gradient, bends]).mv(s).tolist()
        return Trial(s, slope, radius, -(slope + 0.5 * curvature), True)
