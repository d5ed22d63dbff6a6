"""A model of the time to a gap: iterations, from similar problems, times the cost of one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks.profiling.work import Shape
from solvers.common.instrumentation import COUNTERS

from .cost_model import CostModel, Iteration, fit, floor
from .experience import ARRIVED, Experience

ALIKE = 4  # problems from which on only those that are penalised alike count


class Target(NamedTuple):
    """What is predicted for: the costs are those of the device and the thread count in all precisions, iterations those
    of the dtype on all devices and, where there are enough such problems, of those with two classes, with a penalty or
    without."""

    device: str
    threads: int
    dtype: str
    penalised: bool

    def costs(self, cells: Iterable[Experience]) -> list[Experience]:
        where = (self.device, self.threads)
        return [cell for cell in cells if cell.iteration and (cell.setup.device, cell.setup.threads) == where]

    def alike(self, cells: Iterable[Experience]) -> list[Experience]:
        same = [cell for cell in cells if cell.setup.dtype == self.dtype]
        nearer = [cell for cell in same if cell.penalised == self.penalised]
        nearest = [cell for cell in nearer if not cell.iteration or two_classes(cell)]
        return next((found for found in (nearest, nearer) if len(grouped(found, "problem")) >= ALIKE), same)


@dataclass(frozen=True)
class Typical:
    """A solver's iterations to the gap, and the events of one: medians over the problems on which it arrived, and on
    which it moved. least: of each event the fewest to the gap on any problem."""

    iterations: float
    events: Mapping[str, float]
    least: Mapping[str, float]


@dataclass(frozen=True)
class Model:
    """time = iterations x seconds of an iteration, for one device, thread count and dtype.

    cells: how many the costs are from; sizes: the smallest and the largest of each of their `extents`.
    """

    costs: CostModel
    solvers: Mapping[str, Typical]
    cells: int
    sizes: tuple[tuple[float, float], ...]

    def beyond(self, shape: Shape) -> float:
        """ln of the factor by which a shape lies outside of what was measured, in the direction where that is most."""
        outside = (max(low / size, size / high) for size, (low, high) in zip(extents(shape), self.sizes, strict=True))
        return max(0.0, math.log(max(outside)))

    def floor(self, iteration: Iteration) -> float:
        """Seconds that the fewest events to the gap take at least."""
        return floor(replace(iteration, events=self.solvers[iteration.solver].least))

    def seconds(self, iteration: Iteration) -> float:
        """To the gap, of a solver on data of a shape; its typical events are taken, not those of the iteration."""
        typical = self.solvers[iteration.solver]
        return typical.iterations * self.costs.seconds(replace(iteration, events=typical.events))


def learn(cells: Sequence[Experience], target: Target) -> Model | None:
    """The model from all cells that bear on the target; None where none has the cost of an iteration there."""
    costly = target.costs(cells)
    if not costly:
        return None
    costs = fit([cell.iteration for cell in costly], [cell.seconds for cell in costly])
    solvers = {}
    moved = (cell for cell in target.alike(cells) if cell.iteration)
    for solver, own in grouped(moved, "solver").items():
        if solver in costs.solvers:
            counts = np.array([[cell.iteration.events[name] for name in COUNTERS] for cell in own])
            events = dict(zip(COUNTERS, np.median(counts, axis=0).tolist(), strict=True))
            arrived = grouped((cell for cell in own if cell.outcome == ARRIVED), "problem")
            each = [median(cell.iterations for cell in same) for same in arrived.values()]
            least = dict.fromkeys(COUNTERS, 0.0)
            if arrived:
                whole = [
                    cell.iterations * row for cell, row in zip(own, counts, strict=True) if cell.outcome == ARRIVED
                ]
                least = dict(zip(COUNTERS, np.min(whole, axis=0).tolist(), strict=True))
            solvers[solver] = Typical(median(each) if each else math.nan, events, least)
    sizes = np.array([extents(cell.iteration.shape) for cell in costly])
    return Model(costs, solvers, len(costly), tuple(zip(sizes.min(axis=0), sizes.max(axis=0), strict=True)))


def extents(shape: Shape) -> tuple[float, ...]:
    """What a shape may be larger in than others: rows, columns, coefficients, and entries that are stored."""
    return shape.rows, shape.columns, shape.coefficients, shape.stored


def two_classes(cell: Experience) -> bool:
    """Whether it is a logistic regression: what recommendations are asked for."""
    return cell.iteration is not None and cell.iteration.shape.classes == 1


def grouped(cells: Iterable[Experience], name: str) -> dict[str, list[Experience]]:
    """The cells by solver or by problem."""
    found: dict[str, list[Experience]] = {}
    for cell in cells:
        found.setdefault(getattr(cell, name), []).append(cell)
    return found
