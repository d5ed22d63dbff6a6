"""A problem: an objective with its start, held-out data, and its published minimum, if any."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from solvers.common.blocked_rows import BlockedRows
from solvers.objectives import Objective


@dataclass(frozen=True)
class Published:
    """The lowest known minimum of a function that need not be convex; there may be a lower one.

    value: f there, to float64 precision. minimiser: (d,), or empty where it is not published. source: the reference,
    or the reason. others: the values of known local minima. error: a bound on the relative error of the value. how:
    how the digits were computed.
    """

    value: float
    minimiser: tuple[float, ...]
    source: str
    others: tuple[float, ...] = ()
    error: float = 1e-15
    how: str = "computed to 40 digits"


@dataclass(frozen=True)
class Problem:
    """An objective with its start, and the loss on held-out rows (without penalty, same reduction).

    Objectives over rows, held out or not, have X (n, ...) or `rows`, `size` (the length of x) and, if they classify,
    `accuracy(x)`. A test function has no rows and no held-out data, and its minimum is `published`.
    """

    name: str
    summary: str
    objective: Objective
    held_out: Objective | None
    x0: Tensor
    checksum: str  # of the float64 data, whatever the dtype here
    published: Published | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows (residuals, where there are no rows; else 1) and coefficients (intercepts and biases included)."""
        if hasattr(self.objective, "X"):
            return len(self.objective.X), len(self.x0)
        if isinstance(rows := getattr(self.objective, "rows", None), int):
            return rows, len(self.x0)
        residuals = getattr(self.objective.at(self.x0), "residuals", self.x0[:1])
        return len(residuals), len(self.x0)

    def in_float64(self) -> Problem:
        """The same numbers in float64 on the CPU, where values are computed and certificates are proved. Only for
        objectives with `to(dtype, device)` or that are their constructor's arguments, as the linear models are."""
        if self.x0.dtype == torch.float64 and self.x0.device.type == "cpu":
            return self
        parts = (None if part is None else _in_float64(part) for part in (self.objective, self.held_out))
        return Problem(self.name, self.summary, *parts, self.x0.double().cpu(), self.checksum, self.published)


def _in_float64(objective: Any) -> Any:
    if hasattr(objective, "to"):
        return objective.to(torch.float64, torch.device("cpu"))
    arguments = {name: getattr(objective, name) for name in signature(type(objective)).parameters}
    double = {
        name: value.double().cpu() for name, value in arguments.items() if isinstance(value, (Tensor, BlockedRows))
    }
    return type(objective)(**arguments | double)
