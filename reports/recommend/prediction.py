"""The time of each solver to a gap: iterations, from problems that are alike, times the cost of one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import NamedTuple

import numpy as np
from scipy import stats

from benchmarks.profiling.work import Shape
from solvers.common.instrumentation import COUNTERS

from .cost_model import CostModel, Iteration, fit, floor
from .experience import ARRIVED, FAILED, Experience

CONFIDENCE = 0.90  # of a predicted time
ALIKE = 4  # problems from which on only those that are penalised alike count
PROBLEMS = 3  # on which a solver must have arrived before its time is predicted
FARTHER = 4  # times: problems that are held out because they are larger have so many times the entries, at least
GROWTH = 0.35  # of the error of ln(time) for each factor e beyond what was measured, where no held-out size shows it
WIDEST = 10  # a time that may be ten times as long or as short is not predicted
FAILURE = 10  # a failure counts as ten times the predicted time: PAR10 (Hutter et al. 2009, ParamILS, JAIR 36)


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
class Record:
    """How a solver fared: it arrived on so many of the problems that it tried. scatter: the root mean square of
    ln(measured / predicted), each of `predicted` problems held out in turn; growth: what is added to it, in squares,
    for each factor e that a size lies beyond what the prediction is from, as all solvers together show it."""

    arrived: int
    tried: int
    scatter: float
    predicted: int
    growth: float = GROWTH

    def reach(self, beyond: float) -> float:
        """Of the 90 % prediction interval y / r to y r; beyond: ln of how far a size lies outside.

        r = exp(sqrt((t(0.95, m - 1) s)^2 + (z(0.95) g b)^2)): the errors of problems held out have the scatter of the
        medians in them.
        """
        inside = stats.t.ppf((1 + CONFIDENCE) / 2, self.predicted - 1) * self.scatter
        return math.exp(math.hypot(inside, stats.norm.ppf((1 + CONFIDENCE) / 2) * self.growth * beyond))


FEW = "not enough runs"
UNKNOWN = Record(0, 0, math.nan, 0)


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


@dataclass(frozen=True)
class Prediction:
    """Seconds to the gap with their 90 % prediction interval; NaN where there is none, and reason says why.
    part: what most goes to."""

    solver: str
    seconds: float
    low: float
    high: float
    iterations: float
    part: str
    record: Record
    reason: str = ""

    @property
    def score(self) -> float:
        """The expected time where a failure counts tenfold: what the ranking goes by."""
        share = self.record.arrived / max(self.record.tried, 1)
        return math.inf if math.isnan(self.seconds) else self.seconds * (share + FAILURE * (1 - share))


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


def records(cells: Sequence[Experience], target: Target) -> dict[str, Record]:
    """How each solver fared on all devices, and how well the model of the other problems predicts its times here.

    scatter is from problems held out one by one, growth from predictions by problems that are FARTHER times smaller.
    """
    tried = [cell for cell in target.alike(cells) if cell.outcome in (ARRIVED, FAILED)]
    here = [cell for cell in target.costs(tried) if cell.outcome == ARRIVED]
    errors: dict[str, list[float]] = {}
    for problem, held_out in grouped(here, "problem").items():
        for solver, (off, _) in _errors([cell for cell in cells if cell.problem != problem], held_out, target).items():
            errors.setdefault(solver, []).append(off)
    scatters = {solver: math.sqrt(np.mean(np.square(off))) for solver, off in errors.items() if len(off) >= PROBLEMS}
    growth = _growth(cells, here, target, scatters)
    found = {}
    for solver, own in grouped(tried, "solver").items():
        problems = grouped(own, "problem")
        arrived = sum(any(cell.outcome == ARRIVED for cell in same) for same in problems.values())
        predicted = len(errors.get(solver, []))
        found[solver] = Record(arrived, len(problems), scatters.get(solver, math.nan), predicted, growth)
    return found


def _errors(
    known: Sequence[Experience], held_out: Sequence[Experience], target: Target
) -> dict[str, tuple[float, float]]:
    """ln(measured / predicted) of a problem for each solver, by the model of others; how far it lies beyond them."""
    found, model = {}, learn(known, target)
    for solver, same in grouped(held_out, "solver").items():  # on several machines, perhaps
        typical = model.solvers.get(solver) if model else None
        if model and typical and not math.isnan(typical.iterations):
            off = [math.log(cell.time / model.seconds(cell.iteration)) for cell in same]
            found[solver] = float(np.mean(off)), model.beyond(same[0].iteration.shape)
    return found


def _growth(
    cells: Sequence[Experience], here: Sequence[Experience], target: Target, scatters: Mapping[str, float]
) -> float:
    """g of errors that have the variance s^2 + g^2 b^2 at b beyond: what s leaves of them, the median over the solvers,
    because one that scatters much says little. Not less than GROWTH / 2: a cache may end where nothing was measured."""
    found: dict[str, list[tuple[float, float]]] = {}
    for problem, held_out in grouped(here, "problem").items():
        size = held_out[0].iteration.shape.stored
        smaller = [
            cell
            for cell in cells
            if cell.problem != problem and cell.iteration and cell.iteration.shape.stored * FARTHER <= size
        ]
        if len(grouped(smaller, "problem")) < PROBLEMS:
            continue
        for solver, (off, beyond) in _errors(smaller, held_out, target).items():
            if solver in scatters and beyond > 0:
                found.setdefault(solver, []).append((off**2 - scatters[solver] ** 2, beyond**2))
    sums = [np.sum(pairs, axis=0) for pairs in found.values() if len(pairs) >= PROBLEMS]
    return max(GROWTH / 2, math.sqrt(max(median(left / squares for left, squares in sums), 0.0))) if sums else GROWTH


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
        return Prediction(iteration.solver, *[math.nan] * 4, part, record, FEW)
    reach = record.reach(model.beyond(iteration.shape))
    if reach > WIDEST:
        why = f"not predicted: its 90 % interval would span a factor of {rounded(min(reach**2, 1e6))}"
        return Prediction(iteration.solver, *[math.nan] * 4, part, record, why)
    seconds, iterations = model.seconds(iteration), model.solvers[iteration.solver].iterations
    low = min(max(seconds / reach, model.floor(iteration)), seconds)
    return Prediction(iteration.solver, seconds, low, seconds * reach, iterations, part, record)


def rounded(factor: float) -> str:
    """A factor in words: 1.7, 12, 3,400"""
    digits = 1 - math.floor(math.log10(factor))
    return f"{factor:.2g}" if factor < 10 else f"{round(factor, digits):,.0f}"
