"""How solvers fared on stored problems, and how well the model predicts their times on problems held out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from scipy import stats

from .experience import ARRIVED, FAILED, Experience
from .model import Target, grouped, learn

CONFIDENCE = 0.90  # of a predicted time
PROBLEMS = 3  # on which a solver must have arrived before its time is predicted
FARTHER = 4  # times: problems that are held out because they are larger have so many times the entries, at least
GROWTH = 0.35  # of the error of ln(time) for each factor e beyond what was measured, where no held-out size shows it


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


UNKNOWN = Record(0, 0, math.nan, 0)


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
