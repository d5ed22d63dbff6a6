"""What a solver is given: an objective makes points, and a point knows f near one x."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property, wraps
from typing import Any

import torch
from torch import Tensor

from ..common.instrumentation import current
from ..common.scalars import add_scaled
from ..common.validation import EPS
from ..linalg.kronecker_factors import KroneckerFactors

NewtonDirection = Callable[[], Tensor | None]

# derivative -> (its counter, the phase its time belongs to; a value belongs to the phase that asked for it, if any)
_LEDGER_NAMES = {
    "value": ("values", "value"),
    "gradient": ("gradients", "gradient"),
    "hessian": ("hessians", "hessian"),
    "hessian_diagonal": ("hessian_diagonals", "hessian"),
    "kronecker_factors": ("kronecker_factors", "hessian"),
    "hvp": ("hessian_vector_products", "hessian"),
}


class kept:  # noqa: N801, a decorator
    """An attribute computed when first read and then kept in the instance: `cached_property` without its lock."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = instance.__dict__[self.name] = self.function(instance)
        return value


class derivative(kept):  # noqa: N801, a decorator
    """A kept attribute that is counted when it is computed, and timed as a phase where the run has a clock for them."""

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
    """The same product, counted and timed likewise."""
    counter, phase = _LEDGER_NAMES["hvp"]

    @wraps(hvp)
    def product(point: Any, v: Tensor) -> Tensor:
        ledger = current.get()
        with ledger.phase(phase):
            ledger.counts[counter] += 1
            return hvp(point, v)

    return product


class Point:
    """f near one x: every derivative is computed when first read, and then kept.

    A subclass answers `value` (a scalar), `gradient` (d,) and `hessian` (d, d) as (cached) properties; all else
    has a default here, to be overridden where a faster way is known. Whatever a subclass defines under the names
    of the derivatives is counted, so that a run can say what it evaluated.
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
            elif isinstance(attribute, (cached_property, property, kept)):
                function = getattr(attribute, "func", None) or getattr(attribute, "fget", None) or attribute.function
                booked = derivative(function)
                booked.__set_name__(cls, name)
                setattr(cls, name, booked)

    @property
    def value(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not answer `value`: define it as a cached_property")

    @property
    def gradient(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not answer `gradient`: define it as a cached_property")

    @property
    def hessian(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not answer `hessian`: define it as a cached_property")

    @kept
    def hessian_diagonal(self) -> Tensor:
        """diag H, (d,)."""
        return self.hessian.diagonal()

    def hvp(self, v: Tensor) -> Tensor:
        """H v, (d,)."""
        return self.hessian @ v

    def curvature_noise(self, v: Tensor) -> float:
        """How much of v^T H v, computed as a product H v, may be rounding."""
        return len(v) * torch.finfo(v.dtype).eps * self.diagonal_form(v)

    def diagonal_form(self, v: Tensor) -> float:
        """v^T |diag H| v."""
        return float(torch.dot(v.square(), self.hessian_diagonal.abs()))

    def identified(self) -> Point:
        """f over as many coordinates as it takes, where it is constant along directions that are known by its form."""
        return self

    def flat_dimension(self) -> int | None:
        """How many independent directions f, less its penalty, is exactly constant along; None where that is not known.

        Asked only where rounding leaves nothing to be seen along some direction, and may be dear.
        """
        return None

    def slope_noise(self, v: Tensor) -> float:
        """How much of g^T v may be rounding: g^2 is measured in units of |f| times the curvature."""
        return torch.finfo(v.dtype).eps * math.sqrt(abs(float(self.value)) * self.diagonal_form(v))

    def beyond_model(self, step: Tensor) -> bool:
        """Whether a step is known to be so long that the quadratic model does not tell what it gains."""
        return False

    def held(self) -> bool:
        """Whether it is proved, at less than the price of a Hessian, that f has a minimiser."""
        return False

    def in_double(self) -> Point | None:
        """The same objective in float64 at this very x, where that can be had and is worth its price."""
        return None

    def rounding_gap(self) -> float:
        """How much of f - f* rounding may hide from the gradient at this point, as far as is known."""
        return 0.0

    def gradient_noise(self) -> float:
        """About how long a part of the gradient may be rounding, as far as is known."""
        return 0.0

    def refreshed(self) -> Point:
        """The same point without what it inherited along a ray and may have lost digits of: itself by default."""
        return self

    def gradient_drift(self) -> float:
        """How far an entry of the gradient may be, at most, from that of the point made anew."""
        return 0.0

    def afresh(self) -> Point:
        """The same point with nothing inherited, however little that would change f: itself by default."""
        return self

    @property
    def dual(self) -> tuple[Tensor, Tensor, Tensor, float] | None:
        """X (n, d), X X^T, c (n,) and l2 with H = X^T diag(c) X + l2 I, where they are a cheaper way to H^-1."""
        return None

    def sketched_hessian(self, size: int, generator: torch.Generator) -> Tensor | None:
        """A^T S^T S A + the rest of H, (d, d), with H = A^T A + the rest and a random S of `size` rows; None where no
        such A is known."""
        return None

    @property
    def gauss_newton(self) -> Tensor | None:
        """The generalised Gauss-Newton matrix, (d, d): a positive semidefinite stand-in for the Hessian. None: no such.

        Where f is a convex loss of some outputs, it is the Hessian less the curvature of the outputs (Schraudolph 2002,
        Neural Computation 14, p. 1723); where the outputs are linear, it is the Hessian.
        """
        return None

    def gnvp(self, v: Tensor) -> Tensor:
        """The product of the Gauss-Newton matrix with v, (d,)."""
        return self.gauss_newton @ v

    @property
    def kronecker_factors(self) -> KroneckerFactors | None:
        """Of the Gauss-Newton matrix of a model made of linear layers; None where f is not known to be one."""
        return None

    def along(self, direction: Tensor) -> Ray:
        """The half-line x + t direction, t >= 0."""
        return Ray(self, direction)

    def __add__(self, step: Tensor) -> Point:
        return self.objective.at(self.x + step)


class Ray:
    """f along x + t direction. A subclass keeps what makes further trials cheap."""

    def __init__(self, point: Point, direction: Tensor) -> None:
        self.point = point
        self.direction = direction

    def at(self, t: float) -> Point:
        """The point x + t direction."""
        return self.point.objective.at(add_scaled(self.point.x, self.direction, t))

    def third(self) -> Tensor:
        """D^3 f(x)[d, d], (d,): the change of H d along the direction d, here by a difference of two products."""
        t = EPS[self.direction.dtype] ** 0.5  # balances the fourth derivative against rounding, along a Newton step
        return (self.at(t).hvp(self.direction) - self.point.hvp(self.direction)).div_(t)

    def turned(self, step: Tensor, t: float = 1.0) -> Ray:
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
    convex = False  # True: H is positive semidefinite everywhere, and a negative curvature is rounding
    strong_convexity = 0.0  # mu such that H - mu I is positive semidefinite everywhere; 0: none is known
    hessian_price = 0.0  # how many gradients take about as long as the Hessian, where there is a mu

    def at(self, x: Tensor) -> Point:
        """f near x, (d,)."""
        raise NotImplementedError

    def forget(self) -> None:
        """Drop what was made of the data once and kept: who runs next pays for it again."""
        for name in [name for name in self.__dict__ if isinstance(getattr(type(self), name, None), kept)]:
            del self.__dict__[name]

    def curvature_bound(self) -> Tensor | None:
        """B, (d, d), with B - H(x) positive semidefinite at every x; None where none is known."""
        return None

    def no_minimiser(self, point: Point, newton_direction: NewtonDirection | None = None) -> str | None:
        """Why f has no minimiser, as far as this point proves it; None where it does not.

        Asked at every iterate, and once more before `converged` is said: then with a function that returns the
        Newton direction from the point (or None), for the proofs that need one.
        """
        return None

    def escaping(self, point: Point, newton_direction: NewtonDirection) -> bool:
        """Whether a point that passes the tests is so suspect of running to infinity that they must not count."""
        return False
