"""The eigenvectors of a scaled Hessian, and the shift that gives a step a wanted length."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.cached import cached
from ..common.instrumentation import count, timed
from ..linalg.cholesky import in_units, rounding_shift, visible_diagonal
from ..objectives.base import Point
from ..objectives.newton_system import newton_factor

TINY_SLOPE = 1e-150  # in place of a slope of exactly 0 along the lowest eigenvector: its square does not underflow
ROOT_STEPS = 100  # Newton on the secular equation takes about five

Reciprocal = Callable[[float], tuple[float, float]]


class ShiftedStep(NamedTuple):
    """s = -(H + shift D)^-1 g."""

    step: Tensor  # (d,)
    length: float  # sqrt(s^T D s)
    shift: float


class Spectrum(NamedTuple):
    """D^-1/2 H D^-1/2 = V diag(values) V^T: all steps -(H + shift D)^-1 g for the price of one.

    In the scaled variables D^1/2 s the slopes along the eigenvectors are V^T D^-1/2 g. values and slopes are in
    double precision on the host, where the shift is looked for.
    """

    values: Tensor  # (d,), ascending
    slopes: Tensor  # (d,)
    vectors: Tensor  # (d, d)
    sizes: Tensor  # (d,), D^1/2

    @property
    def pole(self) -> float:
        """The lowest eigenvalue where that is negative, else 0: shifts are looked for above -pole."""
        return min(float(self.values[0]), 0.0)

    def within(self, radius: float, accuracy: float = 1e-12) -> ShiftedStep:
        """The minimiser of g^T s + s^T H s / 2 over s^T D s <= radius^2 (More & Sorensen 1983, theorem 2.4)."""
        gaps, slopes = self._gaps_and_slopes()
        low = max(float((slopes.abs() / radius - gaps).max()), 0.0)  # no component is longer than the radius
        if self.pole == 0:
            free = self._at(gaps, slopes, 0.0)
            if free.length <= radius:
                return free
        return self._at(gaps, slopes, secular_root(gaps, slopes, low, lambda above: (1 / radius, 0.0), accuracy))

    def regularised(self, weight: float, accuracy: float = 1e-12) -> ShiftedStep:
        """The minimiser of g^T s + s^T H s / 2 + weight/3 (s^T D s)^(3/2): shift = weight length.

        (Cartis, Gould & Toint 2011, Math. Program. 127, theorem 3.1 and section 6.1.)
        """
        gaps, slopes = self._gaps_and_slopes()
        pole = self.pole
        # Each component alone is shorter than shift / weight: (gap + above) (above - pole) >= weight |slope|.
        # c, the difference of squares, by its root: weights and slopes near the ends of their range would overflow.
        rise, fall = math.sqrt(weight) * slopes.abs().sqrt(), math.sqrt(-pole) * gaps.sqrt()
        b, c = gaps - pole, (rise - fall).clamp(min=0).sqrt() * (rise + fall).sqrt()
        low = float((c * (2 * c / (b + torch.hypot(b, 2 * c)))).nan_to_num(0.0).max())
        if not low > 0:
            return self._at(gaps, slopes, 0.0)  # the gradient is 0, and so is the step

        def reciprocal(above: float) -> tuple[float, float]:
            shift = above - pole
            return weight / shift, -weight / shift / shift

        return self._at(gaps, slopes, secular_root(gaps, slopes, low, reciprocal, accuracy))

    def _gaps_and_slopes(self) -> tuple[Tensor, Tensor]:
        """values - pole, and the slopes, of which the lowest is never 0 where its value is negative.

        That is the hard case: the limit of a slope that vanishes along the lowest eigenvector, to which it belongs
        (More & Sorensen 1983, section 3; Nocedal & Wright, section 4.3). The shift is then -pole to the last digit, but
        its distance to that, which is what everything is computed from, has all its own.
        """
        if self.pole < 0 and abs(float(self.slopes[0])) < TINY_SLOPE:
            slopes = self.slopes.clone()
            slopes[0] = TINY_SLOPE
            return self.values - self.pole, slopes
        return self.values - self.pole, self.slopes

    def _at(self, gaps: Tensor, slopes: Tensor, above: float) -> ShiftedStep:
        shifted = gaps + above
        components = torch.where(slopes == 0, 0.0, slopes / shifted)
        length = float(torch.linalg.vector_norm(components))
        step = (self.vectors @ -components.to(self.vectors)) / self.sizes
        return ShiftedStep(step, length, above - self.pole)


def secular_root(gaps: Tensor, slopes: Tensor, low: float, reciprocal: Reciprocal, accuracy: float) -> float:
    """The root u of 1 / ||slopes / (gaps + u)|| = r(u), by Newton's method from a u that is not above it.

    reciprocal: r and its derivative. The difference of the two sides is concave where r is constant or c / (u + shift),
    so that the steps never pass the root, and need no safeguard (Conn, Gould & Toint 2000, Trust-Region Methods,
    section 7.3.3). It ends where the sides agree to `accuracy`, or u no longer grows.
    """
    u = low
    for _ in range(ROOT_STEPS):
        shifted = gaps + u
        components = slopes / shifted
        length = float(torch.linalg.vector_norm(components))
        if not 0 < length < math.inf:  # 0: the length of the step underflows
            break
        wanted, change = reciprocal(u)
        if abs(length * wanted - 1) <= accuracy:
            break
        unit = components / length
        rate = float((unit.square() / shifted).sum()) / length  # the derivative of 1 / length
        steep = rate - change
        raised = u + (wanted - 1 / length) / steep if steep > 0 else u  # 0: it underflowed
        if not raised > u:
            break
        u = raised
    return u


class Units(NamedTuple):
    """D^1/2, (d,): steps are measured in these units, whatever those of the variables."""

    known: Tensor  # with 0 where the curvature has been 0 so far
    sizes: Tensor  # with 1 there


@cached
def units(point: Point, before: Tensor | float = 0.0) -> Units:
    """The units at a point. before: the `known` ones of the points before, which never shrink.

    D = |diag H| where H is positive definite. Elsewhere D = visible_diagonal(H), multiplied by the largest entries of
    the rows of D^-1/2 |H| D^-1/2, so that no entry of D^-1/2 H D^-1/2 exceeds 1, even if a diagonal entry is 0 where
    it changes its sign (one step of Ruiz's equilibration, 2001, RAL-TR-2001-034). The units never shrink: a stiff
    variable stays stiff where its curvature is small, as in the saturated parts of a loss (More 1978, Lecture Notes in
    Mathematics 630, p. 105, who does the same to the columns of a Jacobian).
    """
    diagonal = point.hessian.diagonal() if point.dual is None else point.hessian_diagonal
    known = diagonal.abs().sqrt()
    if newton_factor(point) is None:
        known = visible_diagonal(point.hessian).sqrt()
        sizes = known.where(known > 0, 1.0)
        rows = in_units(point.hessian, sizes).abs_().amax(1)
        known = torch.where(rows > 1, sizes * rows.sqrt(), known)
    known = torch.maximum(known, torch.as_tensor(before).to(known))
    return Units(known, known.where(known > 0, 1.0))


@cached
def spectrum(point: Point, sizes: Tensor) -> Spectrum | None:
    """The spectrum at a point; None where the scaled Hessian is not finite. sizes: D^1/2, (d,).

    A Hessian whose lowest eigenvalue is 0 to rounding is taken for positive definite, with no eigenvalue below the
    rounding level: a negative one of that size would send every step to the boundary.
    """
    return _decomposed(in_units(point.hessian, sizes), point.gradient / sizes, sizes)


@timed("factorise")
def _decomposed(scaled: Tensor, gradient: Tensor, sizes: Tensor) -> Spectrum | None:
    if not bool(scaled.isfinite().all()):
        return None
    count("eigendecompositions")
    values, vectors = torch.linalg.eigh(scaled)
    host = torch.stack([values, vectors.T @ gradient]).to("cpu", torch.float64)
    large = max(1.0, float(host[0].abs().max()) / len(values))  # 1 unless the Hessian is indefinite
    level = rounding_shift(len(values), values.dtype) * large
    if float(host[0, 0]) >= -level:
        host[0].clamp_(min=level)
    return Spectrum(host[0], host[1], vectors, sizes)
