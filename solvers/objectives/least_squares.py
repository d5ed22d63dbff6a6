"""Sums of squares: any vector of residuals as an objective, with its Jacobian by autograd."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..common.cached import cached
from ..common.instrumentation import count
from .autograd import FunctionPoint, recording
from .base import Objective


class LeastSquares(Objective):
    """f(x) = sum_i r_i(x)^2, from a function r of one flat tensor (d,) that returns the residuals (m,).

    g = 2 J^T r and H = 2 J^T J + 2 sum_i r_i H_i, with J the Jacobian and H_i the Hessian of r_i. The first term is the
    Gauss-Newton matrix, all of H where the residuals vanish or are linear (Nocedal & Wright, section 10.1, with a
    half before the sum; the collections of test problems publish minima without it).
    There is no default start: pass x0 to `minimize`. Derivatives have the dtype of x; residuals in another, as from
    data in float64, stay in the more precise one. What r raises is passed on. TypeError where r is not a function
    or does not return a real vector.
    """

    by_autograd = True

    def __init__(self, residuals: Callable[[Tensor], Tensor]) -> None:
        if not callable(residuals):
            raise TypeError(f"residuals must be a function of one tensor, found {type(residuals).__name__}")
        self.residuals = residuals

    def at(self, x: Tensor) -> LeastSquaresPoint:
        return LeastSquaresPoint(self, x)

    def vector(self, x: Tensor) -> Tensor:
        """r(x), no less precise than x, or a TypeError if that is no vector."""
        r = self.residuals(x)
        if not isinstance(r, Tensor) or r.ndim != 1:
            found = f"shape {tuple(r.shape)}" if isinstance(r, Tensor) else type(r).__name__
            raise TypeError(
                f"residuals must return a tensor (m,), found {found}: end it with torch.stack or .flatten()"
            )
        if r.is_complex():
            raise TypeError(f"residuals must be real, found {r.dtype}: return their real and imaginary parts")
        return r.to(torch.promote_types(r.dtype, x.dtype))


class LeastSquaresPoint(FunctionPoint):
    """f near x, from r and its derivatives, all of them in reverse mode over one graph of r.

    The first forward-mode derivative of a process takes torch seconds: it compiles its rules then.
    """

    objective: LeastSquares

    @cached
    def recorded_residuals(self) -> Tensor:
        """r, (m,), with its graph."""
        return self.recorded(self.objective.vector)

    @cached
    def recorded_value(self) -> Tensor:
        r = self.recorded_residuals
        with recording():
            return torch.dot(r, r)

    @cached
    def residuals(self) -> Tensor:
        """r, (m,)."""
        return self.recorded_residuals.detach()

    @cached
    def jacobian(self) -> Tensor:
        """J = dr/dx, (m, d)."""
        count("jacobians")
        return self.jacobian_of(self.recorded_residuals)

    @cached
    def gradient(self) -> Tensor:
        """2 J^T r, without J unless it is known already."""
        if "jacobian" in self.__dict__:
            # r may be in float64 where x, and with it J, is in float32.
            return 2 * (self.jacobian.to(self.residuals).T @ self.residuals).to(self.x)
        return self.recorded_gradient.detach().contiguous()

    @cached
    def gauss_newton(self) -> Tensor:
        """2 J^T J, (d, d)."""
        return 2 * (self.jacobian.T @ self.jacobian)
