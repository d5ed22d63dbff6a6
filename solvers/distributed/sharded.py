"""An objective that is a sum over processes: each has its own rows, and all take the same steps."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from time import perf_counter
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..common.cached import cached
from ..common.clock import device_clock
from ..common.instrumentation import Ledger, count, current
from ..common.scalars import add_scaled
from ..objectives import FunctionObjective, LeastSquares
from ..objectives.autograd import MeasuredPoint
from ..objectives.base import Objective, Point, Ray
from ..objectives.least_squares import LeastSquaresPoint
from .collectives import Group


@contextmanager
def alone() -> Iterator[None]:
    """What a process evaluates on its own rows is not counted: the sum is."""
    token = current.set(Ledger())
    try:
        yield
    finally:
        current.reset(token)


@lru_cache(maxsize=4)
def lower_triangle(d: int, device: torch.device) -> Tensor:
    """The places of the lower triangle of a (d, d) matrix, (2, d (d + 1) / 2)."""
    with torch.inference_mode(False):
        return torch.tril_indices(d, d, device=device)


class ShardedObjective(Objective):
    """f(x) = sum_r f_r(x), f_r the part of the process r: what all processes of a group minimise together.

    local: this process's objective. A LogisticRegression or SoftmaxRegression over its own rows: f is then the same
        model over the rows of all, a mean over all of them where `reduction` is "mean", with its penalty once. The
        same of a ModuleObjective, whose loss must be a mean or a sum over rows. Or a LeastSquares or
        FunctionObjective, whose values are added up.
    group: a group of torch.distributed; None: all processes.
    checked: compare the iterates of all processes, bit by bit, at every value of f (AssertionError).

    Every process must build it, and call `minimize` with the same solver and the same x0. f, gradient, Hessian (its
    lower triangle) and products are added up, each by one collective; a decision of a solver, of the stopping test or
    of the clock (that of the first process) depends on sums alone, so that all processes take the same ones.
    TypeError for another kind of objective, ValueError where the parts do not fit together, RankError where a process
    does not answer.
    """

    weight = 1.0  # of the local objective in the sum
    _kinds: ClassVar[dict[type, type[ShardedObjective]]] = {}

    def __init_subclass__(cls, *, of: type) -> None:
        """of: the class of the local objectives that a subclass is for."""
        ShardedObjective._kinds[of] = cls

    def __new__(cls, local: Any, *others: Any, **named: Any) -> ShardedObjective:
        kinds = (kind for of, kind in cls._kinds.items() if isinstance(local, of))
        if (kind := next(kinds, None)) is None and not isinstance(local, (FunctionObjective, LeastSquares)):
            raise TypeError(
                "local must be a LogisticRegression, SoftmaxRegression, ModuleObjective, LeastSquares or "
                f"FunctionObjective, found {type(local).__name__}: write its part of the sum as FunctionObjective(f)"
            )
        return super().__new__(kind or cls)

    def __init__(self, local: Any, group: Any = None, *, checked: bool = False) -> None:
        self.group = group if isinstance(group, Group) else Group(group)
        self.local, self.checked = local, checked
        self.part = local  # the term of the sum: where a penalty counts once, another than `local`
        self.by_autograd, self.closed_form = local.by_autograd, local.closed_form
        self.agree("objectives", type(local).__name__)

    def agree(self, name: str, value: Any) -> None:
        """ValueError, in every process, where a value is not the same in all of them."""
        values = self.group.gather(value)
        for rank, other in enumerate(values):
            if other != values[0]:
                raise ValueError(f"{name} must agree: rank 0 has {values[0]}, rank {rank} has {other}")

    def common(self, numbers: set[int]) -> set[int]:
        """Those that all processes have."""
        return set.intersection(*self.group.gather(numbers))

    def start(self) -> Tensor | None:
        """The default start of the first process's part."""
        begin = getattr(self.local, "start", None) or getattr(self.local, "zeros", None)
        return begin() if begin else None

    def clock(self) -> float:
        """The first process's clock, in seconds, so that all reach a limit of time at once."""
        return self.group.of_first(self._read())

    @cached
    def _read(self) -> Callable[[], float]:
        return device_clock(self.group.device) if self.group.backend == "nccl" else perf_counter

    def at(self, x: Tensor) -> ShardedPoint:
        return ShardedPoint(self, x, self.part.at(x))

    def forget(self) -> None:
        super().forget()
        self.local.forget()
        self.group.forget()

    def weighted(self, part: Tensor) -> Tensor:
        """This process's part of a sum."""
        return part if self.weight == 1 else part * self.weight

    def tidied(self, gradient: Tensor) -> Tensor:
        """The sum of gradients, (d,), without the rounding of a part that is known to be 0."""
        return gradient

    def penalised(self, x: Tensor) -> Tensor | None:
        """The gradient of what is added once, and not by each process; None where there is no such thing."""
        return None


class ShardedPoint(MeasuredPoint):
    """f near x, each derivative the sum of the local ones. local: the point of this process's part.

    The value of a point comes with its gradient, by one collective; that of a trial along a ray, which may be rejected,
    comes without.
    """

    objective: ShardedObjective

    def __init__(self, objective: Any, x: Tensor, local: Point, trial: bool = False) -> None:
        super().__init__(objective, x)
        self.local, self.trial = local, trial

    @cached
    def value(self) -> Tensor:
        once = self.objective.penalised(self.x)
        return self._value if once is None else self._value + torch.dot(once, self.x) / 2

    @cached
    def _value(self) -> Tensor:
        """The sum, without what is added once. With it come the gradient, but to a trial, and what is beside it."""
        self._count_margins()
        with alone():
            parts = [self.objective.weighted(self.local.value).reshape(1), *self._beside_the_value()]
            if not self.trial:
                parts.append(self.objective.weighted(self.local.gradient))
        self._check()
        value, *rest = self.objective.group.sum(*parts)
        if not self.trial:
            self._gradient = self.objective.tidied(rest.pop())
        self._note_beside(rest)
        return value[0]

    def _count_margins(self) -> None:
        """Count what the local value needs, where it is counted on its own."""

    def _beside_the_value(self) -> list[Tensor]:
        """What else is added up with the value."""
        return []

    def _note_beside(self, sums: list[Tensor]) -> None:
        """The sums of that."""

    def _check(self) -> None:
        """AssertionError, in a debug mode, where the processes are not at the same x."""
        if self.objective.checked:
            known = self.objective.group.gather(zlib.crc32(self.x.detach().cpu().numpy().tobytes()))
            assert len(set(known)) == 1, f"iterates differ between processes, by their checksums: {known}"

    @cached
    def _gradient(self) -> Tensor:
        """Of the sum, without what is added once, (d,)."""
        if not self.trial:
            _ = self._value  # brings it
            return self.__dict__["_gradient"]
        return self._sum(lambda local: local.gradient)

    @cached
    def gradient(self) -> Tensor:
        once = self.objective.penalised(self.x)
        return self._gradient if once is None else self._gradient + once

    @cached
    def hessian(self) -> Tensor:
        return self._triangle(lambda: self.local.hessian)

    def _triangle(self, matrix: Callable[[], Tensor]) -> Tensor:
        """The sum of a symmetric matrix, (d, d), by its lower triangle."""
        row, column = lower_triangle(len(self.x), self.x.device)
        with alone():
            part = self.objective.weighted(matrix()[row, column])
        (packed,) = self.objective.group.sum(part)
        whole = packed.new_empty(len(self.x), len(self.x))
        whole[row, column] = packed
        whole[column, row] = packed
        return self._with_penalty(whole)

    def _with_penalty(self, hessian: Tensor) -> Tensor:
        """A matrix, or a diagonal, with that of what is added once; in place."""
        return hessian

    def _sum(self, vector: Callable[[Point], Tensor]) -> Tensor:
        """The sum of a gradient or of a product with a matrix, (d,)."""
        with alone():
            part = self.objective.weighted(vector(self.local))
        return self.objective.tidied(self.objective.group.sum(part)[0])

    def hvp(self, v: Tensor) -> Tensor:
        return self._sum(lambda local: local.hvp(v))

    @cached
    def gauss_newton(self) -> Tensor | None:
        if not isinstance(self.local, LeastSquaresPoint):
            return None
        count("jacobians")
        return self._triangle(lambda: self.local.gauss_newton)

    def along(self, direction: Tensor) -> Ray:
        return ShardedRay(self, direction)


class ShardedRay(Ray):
    """The half-line, whose points bring their value alone."""

    def at(self, t: float) -> ShardedPoint:
        f, x = self.point.objective, add_scaled(self.point.x, self.direction, t)
        return type(self.point)(f, x, f.part.at(x), trial=True)
