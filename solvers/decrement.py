"""The exact Newton decrement: how far f lies above the minimum of its quadratic model."""

from __future__ import annotations

import math
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from .conjugate_gradients import conjugate_gradients
from .linear_algebra import newton_direction, newton_factor, rounding_shift
from .objectives.base import Point
from .phases import count, phase

DENSE_LIMIT = 4000  # above this dimension the decrement comes from Hessian-vector products
NOISE = 4  # what is below so many times the expected rounding error is taken for rounding


class Decrement(NamedTuple):
    """Half the squared Newton decrement, 1/2 g^T H^-1 g, of the undamped Hessian."""

    half: float  # with what rounding may hide of it; infinite where there is none
    direction: Tensor | None  # the Newton direction, (d,)
    bound: str  # how it was found, for Result.bound


def exact_decrement(point: Point) -> Decrement:
    """The decrement at a point, kept on it.

    By Cholesky of the Hessian scaled by its diagonal; by eigenvalues where that is singular to rounding; above
    DENSE_LIMIT by conjugate gradients on products.
    """
    kept = point.__dict__
    if "_exact_decrement" not in kept:
        with phase("stopping test"):
            count("stopping_tests")
            found = _by_products(point) if len(point.x) > DENSE_LIMIT else _by_cholesky(point)
            half = found.half + point.rounding_gap()
            kept["_exact_decrement"] = found._replace(half=half if math.isfinite(half) else math.inf)
    return kept["_exact_decrement"]


def strongly_convex_decrement(point: Point, noise: float = 0.0) -> float:
    """g^T H^-1 g / 2 <= (||g|| + noise)^2 / (2 mu) where H - mu I is positive semidefinite; infinite without a mu.

    Most often far too much, but it needs no Hessian, and near a minimiser the gradient soon vanishes
    (Boyd & Vandenberghe, eq. 9.9: this bounds f - f*, too). noise: how much of the gradient may be rounding.
    """
    mu = getattr(point.objective, "strong_convexity", 0.0)
    if mu <= 0:
        return math.inf
    norm = float(torch.linalg.vector_norm(point.gradient.double()))  # in float32 small squares would vanish
    if norm == 0 and bool(point.gradient.any()):
        return math.inf
    return ((norm + noise) / math.sqrt(2 * mu)) ** 2


def _by_cholesky(point: Point) -> Decrement:
    found, direction = newton_factor(point), newton_direction(point)
    if found is None or float(found.lower.diagonal().min()) ** 2 < rounding_shift(len(point.x), point.x.dtype):
        return _by_eigenvalues(point)
    return Decrement(-0.5 * float(torch.dot(point.gradient, direction)), direction, "Newton decrement, by Cholesky")


def _by_eigenvalues(point: Point) -> Decrement:
    """The decrement of a Hessian that is singular to rounding, eigenvector by eigenvector of the scaled matrix.

    An eigenvalue at rounding level says nothing: it may stand for 0 (columns that depend on each other) or for a
    curvature that matters (a column with a large mean). A product H v, which a linear model computes from X v, tells
    curvatures down to the square of the rounding unit. Where that is noise and the slope along v is rounding too,
    float64 takes v for flat: nothing can be gained along it. In float32 the two together may still hide a gap as large
    as f, and there is no answer, unless the objective knows that v is flat. In these variables the Hessian has
    diagonal 1, and g^2 the unit of f.
    """
    hessian, gradient = point.hessian, point.gradient
    none = Decrement(math.inf, None, "none: the Hessian is not positive semidefinite")
    scale = hessian.diagonal().abs().rsqrt()
    scale = scale.where(scale.isfinite(), 1.0)  # (d,)
    scaled = hessian * torch.outer(scale, scale)
    if not bool(scaled.isfinite().all()):
        return none
    count("eigendecompositions")
    values, vectors = torch.linalg.eigh(scaled)
    level = rounding_shift(len(gradient), gradient.dtype)
    if float(values[0]) < -level:
        return none
    slopes = vectors.T @ (scale * gradient)  # (d,)
    negligible = NOISE * torch.finfo(gradient.dtype).eps * math.sqrt(abs(float(point.value)))
    for j in range(int((values < level).sum())):
        v = scale * vectors[:, j]
        values[j] = torch.dot(v, point.hvp(v))
        if point.flat(v):
            values[j] = math.inf
        elif abs(float(values[j])) <= NOISE * point.curvature_noise(v):
            if gradient.dtype != torch.float64 or abs(float(slopes[j])) > negligible:
                return Decrement(math.inf, None, "none: a curvature is too small to be told from 0 at this precision")
            values[j] = math.inf
    if not bool((values > 0).all()):
        return none
    direction = scale * (vectors @ (-slopes / values))
    half = 0.5 * float((slopes.square() / values).sum())
    return Decrement(half, direction, "Newton decrement, by eigenvalues (the Hessian is singular to rounding)")


def _by_products(point: Point) -> Decrement:
    """Preconditioned conjugate gradients on H d = -g until the energy they still find is below a hundredth.

    The energy g^T H^-1 g grows with every step; what the last ten steps added estimates what is missing
    (Hestenes & Stiefel 1952; Strakos & Tichy 2002, ETNA 13, p. 56).
    """
    failed = Decrement(math.inf, None, "none: conjugate gradients found no Newton decrement")
    direction, most = torch.zeros_like(point.gradient), 10 * len(point.gradient)
    energies: list[float] = [0.0]
    for step in islice(conjugate_gradients(point), most):
        if not step.positive:
            return failed
        direction = step.solution
        energies.append(step.energy)
        if len(energies) > 10 and energies[-1] - energies[-11] < 0.01 * energies[-1]:
            break
    else:  # the system is solved to the last digit, or the steps are used up
        if len(energies) > most:
            return failed
    return Decrement(0.5 * 1.01 * energies[-1], direction, "Newton decrement, by conjugate gradients")
