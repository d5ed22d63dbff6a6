"""Objectives, points and rays: an objective makes points, and a point has f and its derivatives at one x."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, wraps
from typing import Any

import torch
from torch import Tensor

from ..common.cached import cached
from ..common.instrumentation import current
from ..common.scalars import add_scaled
from ..common.validation import EPS
from .curvature_models import CurvatureModels
from .rounding import RoundingBounds
from .structure import Structure

NewtonDirection = Callable[[], Tensor | None]

# derivative -> (its counter, the phase its time belongs to; a value belongs to the phase it is computed in, if any)
_LEDGER_NAMES = {
    "value": ("values", "value"),
    "gradient": ("gradients", "gradient"),
    "hessian": ("hessians", "hessian"),
    "hessian_diagonal": ("hessian_diagonals", "hessian"),
    "kronecker_factors": ("kronecker_factors", "hessian"),
    "hvp": ("hessian_vector_products", "hessian"),
}


class derivative(cached):  # noqa: N801, a decorator
    """A cached property that is counted when computed, and timed as a phase where the run has a clock for phases."""

    def __set_name__(self, owner: type, name: str) -> None:
        super().__set_name__(owner, name)
        self.counter, self.phase = _LEDGER_NAMES[name]

    def __get__(self, point: Any, owner: type | None = None) -> Any:
        if point is None:
            return self
        ledger = current.get()
        if ledger.clock is None or (self.phase == "value" and ledger.open != "other"):
            ledger.counts[self.counter] += 1
            value = point.__dict__[self.name] = self.function(point)
            return value
        with ledger.phase(self.phase):
            ledger.counts[self.counter] += 1
            value = point.__dict__[self.name] = self.function(point)
            return value


def _counted(hvp: Callable[[Any, Tensor], Tensor]) -> Callable[[Any, Tensor], Tensor]:
    """The same product, counted and timed."""
    counter, phase = _LEDGER_NAMES["hvp"]

    @wraps(hvp)
    def product(point: Any, v: Tensor) -> Tensor:
        ledger = current.get()
        with ledger.phase(phase):
            ledger.counts[counter] += 1
            return hvp(point, v)

    return product


class Point(RoundingBounds, CurvatureModels, Structure):
    """f near one x: every derivative is computed when first read, and cached.

    A subclass defines `value` (a scalar), `gradient` (d,) and `hessian` (d, d) as (cached) properties. All else has a
    default, here or in the three base classes, to be overridden where a faster way is known. What a subclass defines
    under the names of the derivatives is counted, so that a run can report what it evaluated.
    """

    def __init__(self, objective: Any, x: Tensor) -> None:
        self.objective = objective
        self.x = x

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name, attribute in list(vars(cls).items()):
            if name not in _LEDGER_NAMES:
                continue
            if name == "hvp":
                cls.hvp = _counted(attribute)
            elif isinstance(attribute, (cached_property, property, cached)):
                function = getattr(attribute, "func", None) or getattr(attribute, "fget", None) or attribute.function
                counted = derivative(function)
                counted.__set_name__(cls, name)
                setattr(cls, name, counted)

    @property
    def value(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define `value`: write it as a cached_property")

    @cached
    def float_value(self) -> float:
        """f as a number, read off the device once."""
        return float(self.value)

    @property
    def gradient(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define `gradient`: write it as a cached_property")

    @property
    def gradient_norm(self) -> float:
        """||g||, in float64: in float32 small squares would vanish."""
        return float(torch.linalg.vector_norm(self.gradient.double()))

    @property
    def hessian(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define `hessian`: write it as a cached_property")

    @cached
    def hessian_diagonal(self) -> Tensor:
        """diag H, (d,)."""
        return self.hessian.diagonal()

    def hvp(self, v: Tensor) -> Tensor:
        """H v, (d,)."""
        return self.hessian @ v

    def along(self, direction: Tensor) -> Ray:
        """The half-line x + t direction, t >= 0."""
        return Ray(self, direction)

    def __add__(self, step: Tensor) -> Point:
        return self.objective.at(self.x + step)


class Ray:
    """f along x + t direction. A subclass stores what makes further trials cheap."""

    def __init__(self, point: Point, direction: Tensor) -> None:
        self.point = point
        self.direction = direction

    def at(self, t: float) -> Point:
        """The point x + t direction."""
        return self.point.objective.at(add_scaled(self.point.x, self.direction, t))

    def third_derivative(self) -> Tensor:
        """D^3 f(x)[d, d], (d,): the change of H d along the direction d, here by a difference of two products."""
        t = EPS[self.direction.dtype] ** 0.5  # balances the fourth derivative against rounding, along a Newton step
        return (self.at(t).hvp(self.direction) - self.point.hvp(self.direction)).div_(t)

    def with_added_direction(self, step: Tensor, t: float = 1.0) -> Ray:
        """The ray along direction + t step."""
        return type(self)(self.point, add_scaled(self.direction, step, t))

    def slope(self, trial: Point) -> float:
        """g^T direction at a point of the ray."""
        return float(torch.dot(trial.gradient, self.direction))


class Objective:
    """A function to be minimised. Only `at` is required; `minimize` and some solvers use what else is there.

    Where an objective has `diagonal_curvature_bound()`, it is D, (d,), with diag(D) - H(x) positive semidefinite
    at every x.
    """

    by_autograd = False  # True: derivatives are those of autograd's graph, from which a part of f may be cut
    closed_form = False  # True: no derivative needs autograd, and points may be made in torch's inference mode
    convex = False  # True: H is positive semidefinite everywhere, so that a negative curvature is rounding
    strong_convexity = 0.0  # mu such that H - mu I is positive semidefinite everywhere; 0: none is known
    hessian_price = 0.0  # how many gradients take about as long as the Hessian, where there is a mu

    def at(self, x: Tensor) -> Point:
        """f near x, (d,)."""
        raise NotImplementedError

    def forget(self) -> None:
        """Drop what was computed from the data and cached: the next run pays for it again."""
        for name in [name for name in self.__dict__ if isinstance(getattr(type(self), name, None), cached)]:
            del self.__dict__[name]

    def curvature_bound(self) -> Tensor | None:
        """B, (d, d), with B - H(x) positive semidefinite at every x; None where none is known."""
        return None

    def no_minimiser(self, point: Point, newton_direction: NewtonDirection | None = None) -> str | None:
        """Why f has no minimiser, as far as this point proves it; None where it does not.

        Called at every iterate, and once more before a run converges: then with a function that returns the Newton
        direction from the point (or None), for the proofs that need one.
        """
        return None

    def escaping(self, point: Point, newton_direction: NewtonDirection) -> bool:
        """Whether the iterates are likely to run to infinity although this one passes the tests, which then fail."""
        return False
