"""The exact Newton decrement: how far f lies above the minimum of its quadratic model."""

from __future__ import annotations

import math
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.cached import cached
from ..common.instrumentation import count, phase
from ..common.scalars import squared
from ..linalg.cholesky import in_units, rounding_shift
from ..objectives.base import Point
from ..objectives.newton_system import is_regular, newton_direction, newton_factor
from .conjugate_gradients import conjugate_gradients, kronecker

DENSE_LIMIT = 4000  # above this dimension the decrement comes from Hessian-vector products
SLIGHTLY_NEGATIVE = 1e-3  # a negative curvature no larger, in units of the diagonal, may be 0 one Newton step further
NOISE = 4  # what is below so many times the expected rounding error counts as rounding


class Decrement(NamedTuple):
    """Half the squared Newton decrement, 1/2 g^T H^-1 g, of the undamped Hessian."""

    half: float  # enlarged by a bound on the rounding error; infinite where there is no decrement
    direction: Tensor | None  # the Newton direction, (d,)
    bound: str  # how it was found, for Result.bound
    null_directions: int = 0  # along which slope and curvature are below rounding level


INDEFINITE = Decrement(math.inf, None, "none: the Hessian is not positive semidefinite")
UNDERFLOW = Decrement(math.inf, None, "none: a curvature is below what this precision can represent")
NEARLY_INDEFINITE = Decrement(
    math.inf, None, "none: a curvature below 0 cannot be distinguished from 0 at this precision"
)
UNRESOLVED = Decrement(math.inf, None, "none: a curvature is too small to be distinguished from 0 at this precision")
SINGULAR = "Newton decrement, by eigenvalues (the Hessian is singular to rounding)"
LAST_DIGITS = (
    "Newton decrement, by eigenvalues (columns depend on each other but for their last digits, which are ignored)"
)


@cached
def exact_decrement(point: Point) -> Decrement:
    """The decrement at a point.

    By Cholesky of the Hessian scaled by its diagonal; by eigenvalues where that is singular to rounding; above
    DENSE_LIMIT by conjugate gradients on products.
    """
    with phase("stopping test"):
        count("stopping_tests")
        if len(point.x) > DENSE_LIMIT:
            found = _by_products(point)
            half = found.half + point.rounding_gap()
        else:
            known = point.identified()
            found, half = _dense(known)
            if known is not point and found.direction is not None:
                found = found._replace(direction=known.restored(found.direction))
        return found._replace(half=half if math.isfinite(half) else math.inf)


def strongly_convex_decrement(point: Point, noise: float = 0.0) -> float:
    """g^T H^-1 g / 2 <= (||g|| + noise)^2 / (2 mu) where H - mu I is positive semidefinite; infinite without a mu.

    Most often far too much, but it needs no Hessian, and near a minimiser the gradient soon vanishes
    (Boyd & Vandenberghe, eq. 9.9: this bounds f - f*, too). noise: the rounding error of ||g||.
    """
    mu = getattr(point.objective, "strong_convexity", 0.0)
    if mu <= 0:
        return math.inf
    norm = point.gradient_norm
    if norm == 0 and bool(point.gradient.any()):
        return math.inf
    return squared((norm + noise) / math.sqrt(2) / math.sqrt(mu))  # 2 mu may overflow


def _dense(point: Point) -> tuple[Decrement, float]:
    """The decrement by a factorisation, and its half enlarged by the rounding error of the point.

    Where float32 is too coarse, it is computed at the same x in float64, if the objective can be had in that.
    """
    found, rounding = _by_cholesky(point), point.rounding_gap()
    coarse = (
        found is None
        or _near_singular(point)
        or not rounding <= 4 * torch.finfo(point.x.dtype).eps * abs(point.float_value)
    )
    if coarse and point.x.dtype == torch.float32 and (exact := point.in_double()) is not None:
        found, half = _dense(exact)
        direction = None if found.direction is None else found.direction.to(point.x.dtype)
        return found._replace(direction=direction, bound=f"{found.bound}, in float64"), half
    found = found or _by_eigenvalues(point)
    return found, found.half + rounding


def _near_singular(point: Point) -> bool:
    """Whether float32 may have lost much of the decrement in a Hessian that it still could factor."""
    if point.x.dtype != torch.float32:
        return False
    return float(newton_factor(point).lower.diagonal().min()) ** 2 < 64 * rounding_shift(len(point.x), torch.float32)


def _by_cholesky(point: Point) -> Decrement | None:
    """None where the Hessian is singular to rounding."""
    if not is_regular(point):
        return None
    direction = newton_direction(point)
    if _underflows(point):
        return None if point.x.dtype == torch.float32 else UNDERFLOW
    return Decrement(-0.5 * float(torch.dot(point.gradient, direction)), direction, "Newton decrement, by Cholesky")


def _underflows(point: Point) -> bool:
    """Whether some curvature is so small a number that its summands had lost their digits.

    One that is exactly 0 beside a slope of 0 belongs to a variable that f does not depend on.
    """
    info = torch.finfo(point.x.dtype)
    least = info.tiny / info.eps
    if "hessian" not in point.__dict__:
        return point.dual[3] < least  # the penalty
    curvatures = point.hessian.diagonal().abs()
    if float(curvatures.min()) >= least:
        return False
    return bool(((curvatures < least) & ((curvatures > 0) | (point.gradient != 0))).any())


def _by_eigenvalues(point: Point, last: bool = False) -> Decrement:
    """The decrement of a Hessian that is singular to rounding, on eigenvectors of the matrix scaled to diagonal 1.

    An eigenvalue at rounding level is uncertain: it may stand for 0 (columns that depend on each other) or for a
    curvature that matters (a column with a large mean). Products H v, which a linear model computes from X v, resolve
    curvatures down to the square of the rounding unit. So the eigenvectors of small eigenvalues are made conjugate to
    the others, and the matrix that products give for them is decomposed in turn, until no small eigenvalue is left.

    Slopes along small curvatures are enlarged by their rounding errors before they are divided by them. Where both the
    curvature and the slope along v are below rounding level, v counts as a null direction in float64: no decrease
    along it could be computed. In float32 the two together may still hide a gap as large as f, and there is no
    decrement. (Null directions known by the form of f are removed before: `Point.identified`.)

    Columns that depend on each other but for their last digits, as a rounded sum of others does, are taken to depend
    exactly: the minimiser of the stored numbers may lie far away along such a direction, with an f that is lower by far
    more than any tolerance, but that minimum is an effect of rounding. No test of the numbers can distinguish it from
    columns that were meant to differ by a digit. `bound` says so, where the objective knows the dimension of its exact
    null space.

    last: whether a small negative curvature is final, and not examined from one Newton step further.
    """
    hessian, gradient = point.hessian, point.gradient
    if reason := not_finite(hessian):
        return Decrement(math.inf, None, f"none: the Hessian has {reason}")
    scale = hessian.diagonal().abs().rsqrt()
    scale = scale.where(scale.isfinite(), 1.0)  # (d,)
    matrix = in_units(hessian, scale.reciprocal())
    if not bool(matrix.isfinite().all()):
        return INDEFINITE
    if _underflows(point):
        return UNDERFLOW
    basis, level = torch.diag(scale), rounding_shift(len(gradient), gradient.dtype)  # basis: (d, k)
    direction, half, noise = torch.zeros_like(gradient), 0.0, 0.0
    null_directions, assumed = 0, False
    while True:
        count("eigendecompositions")
        values, vectors = torch.linalg.eigh(matrix)
        if not float(values[0]) >= -level:
            found = None if last else _after_a_newton_step(point, basis @ vectors, values)
            return found or _negative(point, basis @ vectors[:, 0], values, level)
        basis, clear = basis @ vectors, values >= level
        known, values = basis[:, clear], values[clear]
        slopes = known.T @ gradient
        direction = direction - known @ (slopes / values)
        half += 0.5 * float(((slopes.abs() + noise).square() / values).sum())
        small = basis[:, ~clear]
        rest = _conjugate(point, small, known, values)
        if rest is None or not bool(rest[1].isfinite().all()):
            return UNRESOLVED
        basis, matrix, noise, below_rounding = rest
        null_directions, assumed = null_directions + small.shape[1] - basis.shape[1], assumed or below_rounding
        if basis.shape[1] == 0:
            break
    exact = point.null_space_dimension() if assumed else None
    bound = SINGULAR if exact is None or null_directions <= exact else LAST_DIGITS
    return Decrement(half, direction, bound, null_directions)


def _negative(point: Point, v: Tensor, values: Tensor, level: float) -> Decrement:
    """No decrement, for the curvature along v is negative: clearly, or by no more than rounding."""
    large = max(1.0, float(values.abs().max()) / len(values))  # 1 unless the Hessian is indefinite
    curvature, rounding = float(torch.dot(v, point.hvp(v))), NOISE * point.curvature_noise(v)
    return NEARLY_INDEFINITE if float(values[0]) >= -level * large or curvature >= -rounding else INDEFINITE


def _after_a_newton_step(point: Point, basis: Tensor, values: Tensor) -> Decrement | None:
    """The decrement where a curvature is slightly negative: repeat the test one Newton step away.

    At a distance t from the minimum (||x||^2 - 1)^2 has the curvature -4t along the circle, though its gap is 4 t^2.
    So a Newton step s is made along the clearly positive curvatures, and the test is repeated at x + s: the decrease
    the model promises along s, the actual decrease, and the decrement there add up to a bound on the one here.
    """
    if getattr(point.objective, "convex", False) or not float(values[0]) >= -SLIGHTLY_NEGATIVE:
        return None
    clear = values > 10 * float(values[0].abs())
    known = basis[:, clear]
    slopes = known.T @ point.gradient
    promised = 0.5 * float((slopes.square() / values[clear]).sum())
    step = -known @ (slopes / values[clear])
    there = point + step
    lower = point.float_value - there.float_value
    if not (math.isfinite(lower) and bool(there.gradient.isfinite().all())):
        return None
    found = _by_eigenvalues(there, last=True)
    if found.direction is None:
        return None
    half = promised + abs(lower) + found.half
    return Decrement(half, step + found.direction, f"{found.bound}, one Newton step further", found.null_directions)


def not_finite(derivative: Tensor) -> str:
    """How many entries of a derivative are NaN or infinite, in words; empty where all are finite."""
    if bool(derivative.isfinite().all()):
        return ""
    kinds = ((int(derivative.isnan().sum()), "NaN"), (int(derivative.isinf().sum()), "infinite"))
    found = " and ".join(f"{number} {kind}" for number, kind in kinds if number)
    return f"{found} {'entry' if sum(number for number, _ in kinds) == 1 else 'entries'}"


def _conjugate(point: Point, small: Tensor, known: Tensor, values: Tensor) -> tuple[Tensor, Tensor, float, bool] | None:
    """Directions of small curvature made conjugate to the known ones, (d, q), each of curvature 1; V^T H V by products,
    (q, q); and the rounding error of a slope along them. Null directions are left out, and the last value says whether
    there were any; None where a direction is neither null nor of positive curvature.
    """
    if small.shape[1] == 0:
        return small, small[:0], 0.0, False
    products = torch.stack([point.hvp(v) for v in small.T], dim=1)
    small = small - known @ ((known.T @ products) / values.unsqueeze(1))
    conjugate, noise, assumed = [], 0.0, False
    for v in small.T:
        curvature, slope_noise = float(torch.dot(v, point.hvp(v))), point.slope_noise(v)
        rounding = point.curvature_noise(v)
        if abs(curvature) <= rounding and v.dtype == torch.float64:
            if abs(float(torch.dot(v, point.gradient))) > NOISE * slope_noise:
                return None
            assumed = True
            continue
        if curvature <= NOISE * rounding:
            return None
        conjugate.append(v / math.sqrt(curvature))
        noise = max(noise, slope_noise / math.sqrt(curvature))
    if not conjugate:
        return small[:, :0], small[:0, :0], 0.0, assumed
    basis = torch.stack(conjugate, dim=1)
    matrix = basis.T @ torch.stack([point.hvp(v) for v in conjugate], dim=1)
    return basis, (matrix + matrix.T) / 2, noise, assumed


def _by_products(point: Point) -> Decrement:
    """Preconditioned conjugate gradients on H d = -g until the energy they still find is below a hundredth.

    The energy g^T H^-1 g grows with every step; what the last ten steps added estimates what is missing
    (Hestenes & Stiefel 1952; Strakos & Tichy 2002, ETNA 13, p. 56).
    """
    failed = Decrement(math.inf, None, "none: conjugate gradients found no Newton decrement")
    direction, most = torch.zeros_like(point.gradient), 10 * len(point.gradient)
    energies: list[float] = [0.0]
    for step in islice(conjugate_gradients(point, inverse=kronecker(point)), most):
        if not step.positive:
            return failed
        direction = step.solution
        energies.append(step.energy)
        if len(energies) > 10 and energies[-1] - energies[-11] < 0.01 * energies[-1]:
            break
    else:  # the system is solved exactly, or the steps are used up
        if len(energies) > most:
            return failed
    return Decrement(0.5 * 1.01 * energies[-1], direction, "Newton decrement, by conjugate gradients")
