"""Sums of squares: any vector of residuals as an objective, with its Jacobian by torch.func."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad, jacrev, vjp

from ..phases import count
from .autograd import solid
from .base import Objective, Point, kept


class LeastSquares(Objective):
    """f(x) = sum_i r_i(x)^2, from a function r of one flat tensor (d,) that returns the residuals (m,).

    g = 2 J^T r and H = 2 J^T J + 2 sum_i r_i H_i, with J the Jacobian and H_i the Hessian of r_i. The first term is the
    Gauss-Newton matrix, all of H where the residuals vanish or are linear (Nocedal & Wright, section 10.1, with a
    half before the sum; the collections of test problems publish minima without it).
    There is no default start: pass x0 to `minimize`. What r raises is passed on. TypeError where r is not a function
    or does not return a vector.
    """

    def __init__(self, residuals: Callable[[Tensor], Tensor]) -> None:
        if not callable(residuals):
            raise TypeError(f"residuals must be a function of one tensor, found {type(residuals).__name__}")
        self.residuals = residuals

    def at(self, x: Tensor) -> LeastSquaresPoint:
        return LeastSquaresPoint(self, x)

    def vector(self, x: Tensor) -> Tensor:
        """r(x), or a TypeError if that is no vector."""
        r = self.residuals(x)
        if not isinstance(r, Tensor) or r.ndim != 1:
            found = f"shape {tuple(r.shape)}" if isinstance(r, Tensor) else type(r).__name__
            raise TypeError(
                f"residuals must return a tensor (m,), found {found}: end it with torch.stack or .flatten()"
            )
        return r


class LeastSquaresPoint(Point):
    """f near x, from r and its derivatives, all of them in reverse mode.

    The first forward-mode derivative of a process takes torch seconds: it compiles its rules then.
    """

    objective: LeastSquares

    @kept
    def residuals(self) -> Tensor:
        """r, (m,)."""
        return self.objective.vector(self.x).detach()

    @kept
    def jacobian(self) -> Tensor:
        """J = dr/dx, (m, d)."""
        count("jacobians")
        return solid(jacrev(self.objective.vector)(self.x))

    @kept
    def value(self) -> Tensor:
        return torch.dot(self.residuals, self.residuals)

    @kept
    def gradient(self) -> Tensor:
        """2 J^T r, without J where nobody has asked for it."""
        if "jacobian" in self.__dict__:
            return 2 * (self.jacobian.T @ self.residuals)
        _, pullback = vjp(self.objective.vector, self.x)
        return solid(pullback(2 * self.residuals)[0])

    @kept
    def gauss_newton(self) -> Tensor:
        """2 J^T J, (d, d)."""
        return 2 * (self.jacobian.T @ self.jacobian)

    @kept
    def hessian(self) -> Tensor:
        """The Gauss-Newton matrix and the curvature of the residuals: the Hessian of 2 r^T r(x), with r kept fixed."""
        r = self.residuals
        return self.gauss_newton + solid(jacrev(grad(lambda x: 2 * torch.dot(r, self.objective.vector(x))))(self.x))

    def hvp(self, v: Tensor) -> Tensor:
        """The gradient of x -> sum r_i(x)^2, differentiated along v."""
        _, pullback = vjp(grad(lambda x: self.objective.vector(x).square().sum()), self.x)
        return solid(pullback(v)[0])
