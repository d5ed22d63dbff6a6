"""Logistic regression near one w by compiled kernels: for dense data that is so small that calls take the time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...common.cached import cached
from ...common.instrumentation import count, current
from ...common.scalars import LARGEST_FACTOR
from ...linalg.cholesky import Factor
from ...linalg.kernels import is_sparse
from .logistic_point import LogisticPoint
from .margins import REFRESH, LinearPoint, LinearRay

MOST_ENTRIES = 1 << 18  # of X: one thread of compiled code was faster up to here
MOST_ROWS = 10_000  # beyond, torch's vectors of sigmoids and logarithms are as fast as these, made one by one
WIDEST = 128  # coefficients: the factorisation has no blocks


class Columns(NamedTuple):
    """What the kernels read of an objective (`linalg.compiled`)."""

    columns: np.ndarray  # (size, m), of sign_i X, with the intercept's ones last
    penalties: np.ndarray  # (size,)
    work: np.ndarray  # (2, m)
    n: int
    length: int  # of the block of a point

    def new_block(self) -> np.ndarray:
        return np.empty(self.length, self.columns.dtype)


@cache
def kernels() -> Any:
    """The compiled functions; None where Numba is not installed. The first call takes some tenths of a second."""
    if find_spec("numba") is None:
        return None
    from ...linalg import compiled

    return compiled


_by_torch: ContextVar[bool] = ContextVar("by_torch", default=False)


@contextmanager
def by_torch() -> Iterator[None]:
    """Objectives that are made in this context are computed by torch, whose operations can be counted."""
    token = _by_torch.set(True)
    try:
        yield
    finally:
        _by_torch.reset(token)


def computed_by_torch() -> bool:
    return _by_torch.get()


def columns_of(objective: Any) -> Columns | None:
    """None where compiled kernels are not for that problem, or not there."""
    X, size = objective.X, objective.size
    small = isinstance(X, Tensor) and not is_sparse(X) and X.device.type == "cpu" and X.numel() <= MOST_ENTRIES
    small = small and len(X) <= MOST_ROWS and size <= WIDEST
    if not (small and objective.binary) or computed_by_torch() or kernels() is None:
        return None
    m = kernels().padded(len(X))
    signed = objective.signs.unsqueeze(1) * X if objective._signed is None else objective._signed
    rows = signed.numpy()
    columns, kind = np.zeros((size, m), rows.dtype), rows.dtype.type
    columns[: X.shape[1], : len(X)] = rows.T
    if objective.fit_intercept:
        columns[-1, : len(X)] = objective.signs.numpy()
    _warm_up(kind)
    penalties = np.full(size, objective.l2, kind)
    penalties[X.shape[1] :] = 0  # the intercept's
    return Columns(columns, penalties, np.empty((2, m), kind), len(X), 3 + 2 * size + 3 * m)


@cache
def _warm_up(kind: Any) -> None:
    """Compile, or load what an earlier process has compiled, before any clock runs."""
    few, square, ones, k = np.ones((2, 16), kind), np.eye(2, dtype=kind), np.ones(2, kind), kernels()
    point, step = np.ones(3 + 4 + 48, kind), np.ones(1 + 4 + 16, kind)
    k.evaluate(few, ones, kind(1), 2, point)
    k.advance(few, ones, kind(1), 2, point, step, kind(1), point.copy())
    k.gram(few, few[0].copy(), ones, kind(1), few.copy(), square.copy())
    k.newton(few, ones, kind(1), few.copy(), point, square, square.copy(), step)
    k.newton_step(square, ones, few, square.copy(), step)
    k.third_derivative(few, ones, few[0].copy(), few[0].copy(), kind(1), few.copy(), ones.copy())


class CompiledLogisticPoint(LogisticPoint):
    """The same f. f and its gradient come from one call, and so do Hessian, factor, Newton direction and its margins.

    So the time of a gradient is in that of f, and the counters say what was asked for.
    """

    @cached
    def block(self) -> np.ndarray:
        """What the kernel `evaluate` describes."""
        data: Columns = self.objective.columns
        block = data.new_block()
        size, n = len(data.columns), data.n
        block[3 : 3 + size] = self.x.numpy()
        block[3 + 2 * size : 3 + 2 * size + n] = self.margins.numpy()
        kernels().evaluate(data.columns, data.penalties, self.objective.compiled_scale, n, block)
        return block

    @cached
    def margins(self) -> Tensor:
        if "block" in self.__dict__:
            return self.rows(0)
        count("margins")
        return self.objective.margins(self.x)

    def rows(self, kind: int) -> Tensor:
        """Of the block: the margins (0), p (1) or c (2), (n,)."""
        size, m = self.objective.columns.columns.shape
        start = 3 + 2 * size + kind * m
        return torch.from_numpy(self.block[start : start + self.objective.columns.n])

    @cached
    def value(self) -> Tensor:
        if "float_value" in self.__dict__:
            current.get().counts["values"] -= 1  # it was counted when the number was read
        return torch.from_numpy(self.block[:1]).squeeze(0)

    @cached
    def float_value(self) -> float:
        """Without the tensor, which takes longer than the number."""
        if "value" not in self.__dict__:
            ledger = current.get()
            if ledger.clock is None:
                ledger.counts["values"] += 1
            else:
                _ = self.value  # in its phase
        return float(self.block[0])

    @cached
    def least_margin(self) -> float:
        return float(self.block[1])

    @cached
    def gradient_norm(self) -> float:
        _ = self.gradient  # counted
        return float(self.block[2])

    @cached
    def error_probability(self) -> Tensor:
        return self.rows(1)

    @cached
    def curvature(self) -> Tensor:
        return self.rows(2)

    @cached
    def gradient(self) -> Tensor:
        size = self.objective.size
        return torch.from_numpy(self.block[3 + size : 3 + 2 * size])

    @cached
    def hessian(self) -> Tensor:
        data, size = self.objective.columns, self.objective.size
        found = np.empty((size, size), data.columns.dtype)
        weights = self.block[3 + 2 * size + 2 * data.columns.shape[1] :]
        kernels().gram(data.columns, weights, data.penalties, self.objective.compiled_scale, data.work, found)
        return torch.from_numpy(found)

    def newton_solution(self) -> tuple[Factor | None, Tensor | None, float]:
        data, known, counts = self.objective.columns, self.__dict__, current.get().counts
        (size, m), kind = data.columns.shape, data.columns.dtype
        lower, out = np.empty((size, size), kind), np.empty(1 + 2 * size + m, kind)
        if (hessian := known.get("hessian")) is None:
            counts["hessians"] += 1
            hessian = np.empty((size, size), kind)
            scale = self.objective.compiled_scale
            kernels().newton(data.columns, data.penalties, scale, data.work, self.block, hessian, lower, out)
            known["hessian"] = torch.from_numpy(hessian)
        else:
            gradient = self.block[3 + size : 3 + 2 * size]
            kernels().newton_step(hessian.numpy(), gradient, data.columns, lower, out)
        counts["factorisations"] += 1
        slope = float(out[0])
        if slope != slope:
            return None, None, slope
        counts["solves"] += 1
        counts["margins"] += 1
        if "gradient" not in known:
            counts["gradients"] += 1
            known["gradient"] = torch.from_numpy(self.block[3 + size : 3 + 2 * size])
        direction = torch.from_numpy(out[1 : 1 + size])
        known["newton_moves"] = direction, out
        root = torch.from_numpy(out[1 + size : 1 + 2 * size])
        return Factor(torch.from_numpy(lower), root, 0.0), direction, slope

    def newton_ray(self, direction: Tensor, moves: np.ndarray) -> CompiledRay:
        return CompiledRay(self, direction, moves)

    def at(self, x: Tensor, margins: Tensor, age: int) -> LogisticPoint:
        kind = LogisticPoint if x.requires_grad else CompiledLogisticPoint
        return kind(self.objective, x, margins, age)

    def third_derivative(self, moves: Tensor) -> Tensor:
        if moves.requires_grad:
            return super().third_derivative(moves)
        data, found = self.objective.columns, np.empty(self.objective.size, self.objective.columns.columns.dtype)
        size, m = data.columns.shape
        rows = self.block[3 + 2 * size :]
        kernels().third_derivative(
            data.columns, moves.numpy(), rows[m : 2 * m], rows[2 * m :], self.objective.compiled_scale, data.work, found
        )
        return torch.from_numpy(found)


class CompiledRay(LinearRay):
    """The ray along a Newton direction: x, margins and all of f at a trial come from one call."""

    def __init__(self, point: CompiledLogisticPoint, direction: Tensor, block: np.ndarray) -> None:
        self.point, self.direction, self.block = point, direction, block

    @cached
    def moves(self) -> Tensor:
        size, n = self.point.objective.size, self.point.objective.columns.n
        return torch.from_numpy(self.block[1 + 2 * size : 1 + 2 * size + n])

    def at(self, t: float) -> LinearPoint:
        point, data = self.point, self.point.objective.columns
        if point.age >= REFRESH or abs(t) > LARGEST_FACTOR:
            return super().at(t)
        block, kind = data.new_block(), data.columns.dtype.type
        scale = point.objective.compiled_scale
        kernels().advance(data.columns, data.penalties, scale, data.n, point.block, self.block, kind(t), block)
        x = torch.from_numpy(block[3 : 3 + len(data.columns)])
        reached = CompiledLogisticPoint(point.objective, x, None, point.age + 1)
        reached.block = block
        return reached
