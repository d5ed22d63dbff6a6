"""One problem over many penalties, each fit started from the last."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import Tensor

from ..common.validation import penalty
from ..core.minimize import Result, minimize
from ..core.stopping import Status, Stop
from ..objectives.linear.model import LinearModel

OF_THE_DATA = ("_transposed", "squares", "norm_squared", "nullity", "second_moments", "row_products", "_copies")


@dataclass(frozen=True)
class RegularizationPath:
    """l2s: as they were given; results: the Result of each, in that order."""

    l2s: list[float]
    results: list[Result]

    @property
    def converged(self) -> bool:
        """Whether every fit is certified."""
        return all(result.status == Status.CONVERGED for result in self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, i: int) -> Result:
        return self.results[i]


def regularization_path(
    solver: Any, objective: LinearModel, l2s: Any, x0: Tensor | None = None, stop: Stop = Stop()
) -> RegularizationPath:
    """Minimise the objective with each of the penalties instead of its own, from the largest to the smallest.

    objective: LogisticRegression, SoftmaxRegression, or another linear model. Its data are not copied, and what is
        computed from X alone is computed once.
    l2s: numbers >= 0, in any order. x0: the start of the largest. stop: for each fit, which is certified by the same
        test as that of `minimize`. A fit that does not converge is no start for the next: the last one that did is.
    Warm starts: Friedman, Hastie & Tibshirani 2010, J. Stat. Softw. 33, issue 1, section 2.5.
    Raises TypeError or ValueError for wrong arguments.
    """
    if not isinstance(objective, LinearModel):
        raise TypeError(f"objective must be a linear model with a penalty l2, found {type(objective).__name__}")
    numbers = [penalty(float(l2), objective.X) for l2 in l2s]
    if not numbers:
        raise ValueError("l2s is empty: give at least one penalty")
    found = dict(fits(solver, objective, set(numbers), x0, stop))
    return RegularizationPath(numbers, [found[l2] for l2 in numbers])


def fits(
    solver: Any,
    objective: LinearModel,
    l2s: Iterable[float],
    x0: Tensor | None = None,
    stop: Stop = Stop(),
    known: Mapping[float, Tensor] = MappingProxyType({}),
    over: Callable[[LinearModel], Any] = lambda objective: objective,
) -> Iterator[tuple[float, Result]]:
    """The penalties and their fits one by one, from the largest.

    known: minimisers of some penalties, which are not fitted again, and are starts for those that follow. over: what
    is minimised, of an objective; `ShardedObjective` where it has the rows of one process.
    """
    for l2 in sorted({*l2s, *known}, reverse=True):
        if l2 in known:
            x0 = known[l2]
            continue
        found = minimize(solver, over(with_penalty(objective, l2)), x0, stop)
        if found.status == Status.CONVERGED:
            x0 = found.x
        yield l2, found


def with_penalty(objective: LinearModel, l2: float) -> LinearModel:
    """The same objective with another l2, on the same data."""
    asked = copy.copy(objective)
    asked.l2 = l2
    other = asked.over(objective.X)
    other.scale = objective.scale
    known = objective.__dict__
    other.__dict__.update({name: known[name] for name in OF_THE_DATA if name in known})
    return other
