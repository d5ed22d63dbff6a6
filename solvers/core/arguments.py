"""What `minimize` is given, checked before the loop begins."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from typing import Any

import torch
from torch import Tensor

from ..common.validation import finite_tensor, real_tensor
from ..objectives.base import Point


def without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """With autocast off where the caller switched it on: products would come in another dtype than their factors."""
    kinds = {"cpu", device.type}  # some solvers compute with a few numbers on the host
    off = ExitStack()
    for kind in filter(torch.is_autocast_enabled, kinds):
        off.enter_context(torch.autocast(kind, enabled=False))
    return off


def check_solver(solver: Any) -> None:
    if isinstance(solver, type):
        raise TypeError(f"solver is the class {solver.__name__}: pass a solver of it, {solver.__name__}()")
    if not (callable(getattr(solver, "init", None)) and callable(getattr(solver, "step", None))):
        raise TypeError(f"a solver has init(point) and step(point, state), found {solver!r}: see solvers.SOLVERS")


def check_point(point: Any, x: Tensor) -> None:
    if not isinstance(point, Point):
        raise TypeError(f"objective.at(x) must return a solvers.objectives.Point, found {type(point).__name__}")
    if point.gradient.shape != x.shape:
        raise ValueError(
            f"the gradient has shape {tuple(point.gradient.shape)} and x {tuple(x.shape)}: make them equal"
        )


def default_start(objective: Any) -> Tensor | None:
    """Where a run begins that is given no start, (d,): the objective's `start()` or `zeros()`; None without one."""
    begin = getattr(objective, "start", None) or getattr(objective, "zeros", None)
    return begin() if callable(begin) else None


def checked_start(objective: Any, x0: Any) -> Tensor:
    """A copy of x0, checked, in the dtype and on the device of the objective."""
    if not callable(getattr(objective, "at", None)):
        raise TypeError(f"an objective has at(x), found {objective!r}: wrap a function as FunctionObjective(f)")
    default = default_start(objective)
    if x0 is None:
        if default is None:
            raise ValueError(f"{type(objective).__name__} has no default start: pass x0, a tensor of shape (d,)")
        return default
    x0 = real_tensor("x0", x0)
    if x0.ndim != 1 or len(x0) == 0:
        raise ValueError(f"x0 must have shape (d,) with d > 0, found {tuple(x0.shape)}: pass x0.flatten()")
    if default is not None:
        if x0.shape != default.shape:
            raise ValueError(f"x0 must have shape {tuple(default.shape)} for this objective, found {tuple(x0.shape)}")
        if x0.device != default.device:
            raise ValueError(f"x0 is on {x0.device} and the objective on {default.device}: move x0 with .to(...)")
        x0 = x0.to(default.dtype)
    elif isinstance(dtype := getattr(objective, "dtype", None), torch.dtype):
        x0 = x0.to(dtype)
    return finite_tensor("x0", x0).clone(memory_format=torch.contiguous_format)
