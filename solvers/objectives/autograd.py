"""Any scalar torch function as an objective, with derivatives by torch.func."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad, jacrev, vjp

from .base import Objective, Point, kept


class FunctionObjective(Objective):
    """f: a function of one flat tensor (d,) that returns a scalar tensor, written in torch operations.

    There is no default start: pass x0 to `minimize`. What f raises is passed on. TypeError where f is not a function
    or does not return a scalar.
    """

    def __init__(self, f: Callable[[Tensor], Tensor]) -> None:
        if not callable(f):
            raise TypeError(f"f must be a function of one tensor, found {type(f).__name__}")
        self.f = f

    def at(self, x: Tensor) -> FunctionPoint:
        return FunctionPoint(self, x)

    def scalar(self, x: Tensor) -> Tensor:
        """f(x), or a TypeError if that is no scalar."""
        value = self.f(x)
        if not isinstance(value, Tensor) or value.ndim != 0:
            found = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise TypeError(f"f must return a scalar tensor, found {found}: end it with .sum() or .mean()")
        return value


def solid(derivative: Tensor) -> Tensor:
    """Without history, and with storage of its own: torch.func stands for zeros by tensors that have none."""
    return torch.zeros_like(derivative) + derivative.detach()


class FunctionPoint(Point):
    """Reverse over reverse: it asks of f only what its gradient asks."""

    objective: FunctionObjective

    @kept
    def value(self) -> Tensor:
        return self.objective.scalar(self.x).detach()

    @kept
    def gradient(self) -> Tensor:
        return solid(grad(self.objective.scalar)(self.x))

    @kept
    def hessian(self) -> Tensor:
        return solid(jacrev(grad(self.objective.scalar))(self.x))

    def hvp(self, v: Tensor) -> Tensor:
        _, pullback = vjp(grad(self.objective.scalar), self.x)
        return solid(pullback(v)[0])
