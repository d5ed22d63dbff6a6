"""The time of each solver to a gap: iterations, from problems that are alike, times the cost of one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import NamedTuple

import numpy as np
from scipy import stats

from benchmarks.work import Shape
from solvers.phases import COUNTERS

from .cost_model import CostModel, Iteration, fit
from .experience import ARRIVED, FAILED, Experience

CONFIDENCE = 0.90  # of a predicted time
ALIKE = 4  # problems from which on only those that are penalised alike count
PROBLEMS = 3  # on which a solver must have arrived before its time is predicted
FAILURE = 10  # a failure counts as ten times the predicted time: PAR10 (Hutter et al. 2009, ParamILS, JAIR 36)


class Target(NamedTuple):
    """What is predicted for: the costs are those of the device and the thread count in all precisions, iterations those
    of the dtype on all devices and, where enough problems are alike in that, with or without a penalty."""

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
        return nearer if len(grouped(nearer, "problem")) >= ALIKE else same


@dataclass(frozen=True)
class Typical:
    """A solver's iterations to the gap, and the events of one: medians over the problems on which it arrived, and on
    which it moved."""

    iterations: float
    events: Mapping[str, float]


@dataclass(frozen=True)
class Record:
    """How a solver fared: it arrived on so many of the problems that it tried. scatter: the root mean square of
    ln(measured / predicted), each of `predicted` problems held out in turn."""

    arrived: int
    tried: int
    scatter: float
    predicted: int


UNKNOWN = Record(0, 0, math.nan, 0)


@dataclass(frozen=True)
class Model:
    """time = iterations x seconds of an iteration, for one device, thread count and dtype; cells: behind the costs."""

    costs: CostModel
    solvers: Mapping[str, Typical]
    cells: int

    def seconds(self, iteration: Iteration) -> float:
        """To the gap, of a solver on data of a shape; its typical events are taken, not those of the iteration."""
        typical = self.solvers[iteration.solver]
        return typical.iterations * self.costs.seconds(replace(iteration, events=typical.events))


@dataclass(frozen=True)
class Prediction:
    """Seconds to the gap with their 90 % prediction interval; NaN where too few runs tell. part: what most goes to."""

    solver: str
    seconds: float
    low: float
    high: float
    iterations: float
    part: str
    record: Record

    @property
    def score(self) -> float:
        """The expected time where a failure counts tenfold: what the ranking goes by."""
        share = self.record.arrived / max(self.record.tried, 1)
        return math.inf if math.isnan(self.seconds) else self.seconds * (share + FAILURE * (1 - share))


def learn(cells: Sequence[Experience], target: Target) -> Model | None:
    """The model from all cells that bear on the target; None where none says what an iteration costs there."""
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
            solvers[solver] = Typical(median(each) if each else math.nan, events)
    return Model(costs, solvers, len(costly))


def grouped(cells: Iterable[Experience], name: str) -> dict[str, list[Experience]]:
    """The cells by solver or by problem."""
    found: dict[str, list[Experience]] = {}
    for cell in cells:
        found.setdefault(getattr(cell, name), []).append(cell)
    return found


def records(cells: Sequence[Experience], target: Target) -> dict[str, Record]:
    """How each solver fared on all devices, and how well the model of the other problems predicts its times here."""
    tried = [cell for cell in target.alike(cells) if cell.outcome in (ARRIVED, FAILED)]
    here = [cell for cell in target.costs(tried) if cell.outcome == ARRIVED]
    errors: dict[str, list[float]] = {}
    for problem, held_out in grouped(here, "problem").items():
        model = learn([cell for cell in cells if cell.problem != problem], target)
        for solver, same in grouped(held_out, "solver").items():  # on several machines, perhaps
            known = model.solvers.get(solver) if model else None
            if model and known and not math.isnan(known.iterations):
                off = [math.log(cell.time / model.seconds(cell.iteration)) for cell in same]
                errors.setdefault(solver, []).extend([float(np.mean(off))] if off else [])
    found = {}
    for solver, own in grouped(tried, "solver").items():
        off = errors.get(solver, [])
        problems = grouped(own, "problem")
        arrived = sum(any(cell.outcome == ARRIVED for cell in same) for same in problems.values())
        scatter = math.sqrt(np.mean(np.square(off))) if len(off) >= PROBLEMS else math.nan
        found[solver] = Record(arrived, len(problems), scatter, len(off))
    return found


def predict(
    model: Model, history: Mapping[str, Record], shape: Shape, calibration: Mapping[str, float]
) -> list[Prediction]:
    """Every solver's time on data of that shape, best first; those without enough runs last."""
    found = [
        _prediction(model, Iteration(solver, typical.events, shape, calibration), history.get(solver, UNKNOWN))
        for solver, typical in model.solvers.items()
    ]
    return sorted(found, key=lambda prediction: prediction.score)


def _prediction(model: Model, iteration: Iteration, record: Record) -> Prediction:
    parts = model.costs.parts(iteration)
    part = max(parts, key=parts.__getitem__)
    if math.isnan(record.scatter):
        return Prediction(iteration.solver, *[math.nan] * 4, part, record)
    seconds, iterations = model.seconds(iteration), model.solvers[iteration.solver].iterations
    # y exp(+- t(0.95, m - 1) s): the errors of problems held out have the scatter of the medians in them
    reach = math.exp(stats.t.ppf((1 + CONFIDENCE) / 2, record.predicted - 1) * record.scatter)
    return Prediction(iteration.solver, seconds, seconds / reach, seconds * reach, iterations, part, record)
