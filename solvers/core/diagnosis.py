"""Why a run ended without having converged, in a sentence."""

from __future__ import annotations

import torch
from torch import Tensor

from ..linalg.cholesky import in_units
from ..objectives.base import Point
from ..objectives.rounding import resolution
from .decrement import DENSE_LIMIT, not_finite
from .slope_check import mismatch, mismatch_anywhere

STALLED = "no representable progress at this precision"


def missing_gradient(point: Point, iteration: int) -> str:
    """Which entries of the gradient are not finite; empty where all are."""
    found = not_finite(point.gradient)
    reason = "f is not differentiable there, or its derivative overflows"
    return f"the gradient has {found} at iterate {iteration}: {reason}" if found else ""


def missing_curvature(point: Point, iteration: int) -> str:
    """The same for the curvature that the point has computed: H, its diagonal, or else the product H g."""
    computed = point.__dict__
    if "hessian" in computed:
        words, found = "the Hessian", not_finite(point.hessian)
    elif "hessian_diagonal" in computed and not_finite(point.hessian_diagonal):
        words, found = "the diagonal of the Hessian", not_finite(point.hessian_diagonal)
    else:
        words, found = "a product with the Hessian", not_finite(point.hvp(point.gradient))
    reason = "f is not twice differentiable there, or its second derivative overflows"
    return f"{words} has {found} at iterate {iteration}: {reason}" if found else ""


def stalled_message(point: Point, x0: Tensor, bound: float, direction: Tensor, own: float) -> str:
    """Why no step changes x: a saddle, a Hessian that is 0, rounding, or a search that failed.

    Or a gradient that does not match f. bound: the largest Newton decrement allowed. direction: the last one, (d,);
    own: half the decrease that its slope predicts.
    """
    words = _without_slopes(point, bound, float(torch.linalg.vector_norm(direction)), own)
    wrong = mismatch(point, direction) or mismatch_anywhere(point, x0)
    return f"{words}; {wrong}" if wrong else words


def _without_slopes(point: Point, bound: float, length: float, own: float) -> str:
    known = point.__dict__.get("_exact_decrement")
    search = point.__dict__.get("_failed_search", "the last step did not lower f")
    small = ", and its promised decrease is below rounding level" if own <= resolution(point) else ""
    failed = f"{search} (the direction has length {length:.2g}{small}); this proves no minimum"
    if known is None or len(point.x) > DENSE_LIMIT:
        return failed
    if not bool(point.hessian.any()):
        if bool(point.gradient.any()):
            return f"{failed}: the Hessian is zero there"
        return f"{STALLED}: gradient and Hessian are zero there, as where every unit of a network is off"
    if known.direction is not None:
        if known.half <= bound:
            return STALLED
        reason = STALLED if known.half <= resolution(point) else failed
        return f"{reason}: half the squared Newton decrement is {known.half:.2g}, above the tolerance {bound:.2g}"
    if known.bound.endswith("not positive semidefinite") and _stationary(point, bound):
        lowest = float(torch.linalg.eigvalsh(point.hessian)[0])
        return f"a saddle point: the gradient is 0 to rounding, the lowest eigenvalue of the Hessian is {lowest:.3g}"
    return f"{failed}; its Newton decrement: {known.bound}"


def _stationary(point: Point, bound: float) -> bool:
    """Whether g^T |H|^-1 g / 2 passes, with |H| the Hessian without the signs of its eigenvalues, diagonally scaled."""
    sizes = point.hessian.diagonal().abs().sqrt()
    sizes = sizes.where(sizes > 0, 1.0)
    values, vectors = torch.linalg.eigh(in_units(point.hessian, sizes))
    slopes = vectors.T @ (point.gradient / sizes)
    return 0.5 * float(torch.where(slopes == 0, 0.0, slopes.square() / values.abs()).sum()) <= bound
