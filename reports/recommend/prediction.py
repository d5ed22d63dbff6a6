"""The time of each solver to a gap, predicted for data of a given shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.profiling.work import Shape

from .cost_model import Iteration
from .model import Model
from .records import UNKNOWN, Record

WIDEST = 10  # a time that may be ten times as long or as short is not predicted
FAILURE = 10  # a failure counts as ten times the predicted time: PAR10 (Hutter et al. 2009, ParamILS, JAIR 36)
FEW = "not enough runs"


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
