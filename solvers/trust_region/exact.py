"""Trust regions with the subproblem solved: More and Sorensen's method, its hard case included."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..common.instrumentation import count, phase
from ..common.scalars import squared
from ..common.validation import fraction
from ..core.eigensystem import ShiftedStep, spectrum
from ..core.solver import setting
from ..linalg.cholesky import factor, in_units
from ..objectives.base import Point
from ..objectives.newton_system import newton_direction, newton_factor
from .driver import Trial, TrustRegion, length

ROOT_STEPS = 20  # Newton on the secular equation takes two or three


@dataclass(frozen=True)
class ExactTrustRegion(TrustRegion):
    """TrustRegion with s = -(H + lambda D)^-1 g, lambda >= 0 the least for which s lies in the region.

    Where H is positive definite and its Newton step too long, lambda comes from Newton's method on 1 / ||D^1/2 s|| =
    1 / radius, one Cholesky factorisation a step (Nocedal & Wright, Alg. 4.3), until the length is within `accuracy`
    of the radius. Elsewhere it comes from the eigenvectors of D^-1/2 H D^-1/2 (ibid., eq. 4.38; the hard case: 4.45),
    found once a point: shorter radii, tried after a rejection, then cost no factorisation. (They cost as much as 12
    Cholesky factorisations for d = 30, and 27 for d = 1000, and are exact however near the hard case is.)
    """

    accuracy: float = setting(0.1, fraction)  # Conn, Gould & Toint 2000, Trust-Region Methods, section 7.3.10

    def trial(self, point: Point, sizes: Tensor, radius: float, first: float) -> Trial | None:
        newton, found = newton_direction(point), None
        if newton is not None:
            free = ShiftedStep(newton, length(sizes, newton), 0.0)
            if free.length <= radius:
                return as_trial(point, free)
        count("shifted")
        with phase("solve"):
            if newton is not None:
                found = bounded(point, free, sizes, radius, self.accuracy)
            if found is None and (eigen := spectrum(point, sizes)):
                found = eigen.within(radius)
        return None if found is None else as_trial(point, found)


def as_trial(point: Point, found: ShiftedStep) -> Trial:
    """As (H + lambda D) s = -g, s^T H s = -g^T s - lambda s^T D s."""
    slope = float(torch.dot(point.gradient, found.step))
    return Trial(found.step, slope, found.length, 0.5 * (found.shift * squared(found.length) - slope), found.shift > 0)


def bounded(point: Point, free: ShiftedStep, sizes: Tensor, radius: float, accuracy: float) -> ShiftedStep | None:
    """s = -(H + lambda D)^-1 g of length radius where H is positive definite and its Newton step, free, is longer.

    From lambda = 0 on the steps never pass the root (see `secular_root`): no safeguards, and every factorisation
    succeeds, except for rounding: then None.
    """
    stiff = sizes * sizes * free.step
    steep, reached = float(torch.dot(stiff, newton_factor(point).solve(stiff))), free  # s^T D (H + lambda D)^-1 D s
    scaled, slopes = in_units(point.hessian, sizes), point.gradient / sizes
    for _ in range(ROOT_STEPS):
        raised = (
            reached.shift + squared(reached.length) / steep * (reached.length - radius) / radius if steep > 0 else 0.0
        )
        if not raised > reached.shift:
            return None
        shifted = scaled.clone()
        shifted.diagonal().add_(raised)
        if (found := factor(shifted)) is None:
            return None
        step = -found.solve(slopes)
        square, steep = torch.stack([step, found.solve(step)]).mv(step).tolist()
        reached = ShiftedStep(step / sizes, square**0.5, raised)
        if abs(reached.length - radius) <= accuracy * radius:
            return reached
    return None
