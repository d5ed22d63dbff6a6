"""What is raced on: an objective with its start, and what is known of it beside its data."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from solvers.objectives import Objective


@dataclass(frozen=True)
class Published:
    """A minimum of a function that need not be convex: the lowest that is known, which is no proof that it is.

    value: f there, with as many digits as float64 has. minimiser: where, (d,); empty where that is not told. source:
    who says so, or why. others: the values of local minima that are known. error: how far the value may lie from the
    minimum, relative to it. how: how so many digits were found.
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

    Objectives over rows have X (n, ...), `size` (the length of x) and `accuracy(x)`, both of them. A test function has
    no rows and nothing to hold out, and its minimum is `published`.
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
        residuals = getattr(self.objective.at(self.x0), "residuals", self.x0[:1])
        return len(residuals), len(self.x0)
