"""Trust regions on products alone: conjugate gradients that end at the boundary."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.instrumentation import phase
from ..common.scalars import add_scaled
from ..common.validation import EPS, fraction, whole
from ..core.conjugate_gradients import CGStep, conjugate_gradients, gradient_norm, jacobi
from ..core.eigensystem import Units
from ..core.solver import setting
from ..objectives.base import Point
from .driver import Trial, TrustRegion


@dataclass(frozen=True)
class SteihaugTrustRegion(TrustRegion):
    """TrustRegion with s from conjugate gradients on H s = -g, as far as the region reaches.

    They end as in NewtonCG, where ||H s + g|| <= eta ||g||, eta = min(forcing, sqrt(||g|| / ||g at the start||)). Where
    a step would leave the region, or the curvature along the search direction is not positive, s goes along that to the
    boundary. The first step is the Cauchy point, and the model only falls from there. (Steihaug 1983, SIAM J. Numer.
    Anal. 20, p. 626; Nocedal & Wright, Alg. 7.2.) D = |diag H| preconditions, and measures the region, where the
    objective knows it without H; elsewhere it is I. (Earlier, larger units are not kept.)

    forcing, cg_iterations: as in NewtonCG.
    """

    needs = "hvp"
    forcing: float = setting(0.5, fraction)  # Nocedal & Wright, p. 168
    cg_iterations: int = setting(200, whole)

    def units(self, point: Point, before: Tensor | float = 0.0) -> Units:
        inverse = jacobi(point)
        sizes = torch.ones_like(point.x) if inverse is None else inverse.rsqrt()
        return Units(sizes, sizes)

    def trial(self, point: Point, sizes: Tensor, radius: float, first: float) -> Trial | None:
        with phase("solve"):
            return self.truncated(point, radius, first)

    def truncated(self, point: Point, radius: float, first: float) -> Trial:
        norm = gradient_norm(point)  # squared as a product: Python's power raises where that is infinite
        eta = min(self.forcing, math.sqrt(norm / first)) if first > 0 else self.forcing
        reached = Reached(torch.zeros_like(point.gradient), 0.0, 0.0, 0.0, norm * norm, norm * norm)
        steps = conjugate_gradients(point, EPS[point.x.dtype])
        for step in islice(steps, min(self.cg_iterations, len(point.x))):
            further = reached.after(step) if step.positive else None
            if further is None or not further.square < radius * radius:
                return boundary(point, reached, step, radius)
            reached = further
            if reached.residual <= (eta * norm) * (eta * norm):
                break
        s = reached.solution
        return Trial(s, float(torch.dot(point.gradient, s)), math.sqrt(reached.square), 0.5 * reached.energy, False)


class Reached(NamedTuple):
    """An iterate of conjugate gradients inside the region, with the scalar product <a, b> = a^T D b.

    The lengths are updated without a product and without a number read off the device (Conn, Gould & Toint 2000,
    Trust-Region Methods, eq. 7.5.5 to 7.5.7).
    """

    solution: Tensor  # (d,), s
    square: float  # <s, s>
    along: float  # <s, p>, p the next direction
    energy: float  # -g^T s, twice the gain
    residual: float  # r^T D^-1 r
    size: float  # <p, p>

    def after(self, step: CGStep) -> Reached:
        length, turn = self.residual / step.curvature, step.residual / self.residual
        return Reached(
            step.solution,
            self.square + 2 * length * self.along + length * length * self.size,
            turn * (self.along + length * self.size),
            step.energy,
            step.residual,
            step.residual + turn * turn * self.size,
        )


def boundary(point: Point, inside: Reached, step: CGStep, radius: float) -> Trial:
    """From there along the search direction p to the boundary: <s + t p, s + t p> = radius^2, t > 0."""
    root = math.sqrt(inside.along * inside.along + inside.size * max(radius * radius - inside.square, 0.0))
    t = (radius * radius - inside.square) / (inside.along + root) if root > 0 else math.nan
    s = add_scaled(inside.solution, step.search, t)
    gain = 0.5 * inside.energy + t * inside.residual - 0.5 * t * t * step.curvature  # g^T p + s^T H p = -r^T D^-1 r
    return Trial(s, float(torch.dot(point.gradient, s)), radius, gain, True)
