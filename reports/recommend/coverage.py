"""Do the intervals of predicted times hold? Larger problems are held out, and predicted from the smaller ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from ..text import percent
from .experience import ARRIVED, Experience, Setup
from .model import Target, grouped, learn, two_classes
from .prediction import predict
from .records import PROBLEMS, records

PARTS = 3  # problems in the order of their size: the first third predicts the rest, and the first two thirds the last
COLUMNS = [
    *Setup._fields,
    "problem",
    "solver",
    "known",
    "beyond",
    "predicted",
    "low",
    "high",
    "measured",
    "in interval",
]


def coverage(cells: Sequence[Experience]) -> pd.DataFrame:
    """Times of problems that were held out because they are larger than those the prediction is from: the first third
    of the problems in the order of their size, or the first two thirds (known: how many). Beyond: how many times as
    large as any of them a problem is, in rows, columns or entries. In interval: whether the 90 % interval holds the
    measured time; predicted is missing where no time was predicted."""
    asked = [cell for cell in cells if two_classes(cell) and cell.outcome == ARRIVED]
    kinds = dict.fromkeys((cell.setup, cell.penalised) for cell in asked)
    return pd.DataFrame((row for kind in kinds for row in _rows(cells, asked, *kind)), columns=COLUMNS)


def _rows(cells: Sequence[Experience], asked: Sequence[Experience], setup: Setup, penalised: bool) -> Iterator[dict]:
    """Of one machine, with a penalty or without."""
    target = Target(setup.device, setup.threads, setup.dtype, penalised)
    size = {cell.problem: cell.iteration.shape.stored for cell in cells if cell.iteration}
    here = [cell for cell in asked if (cell.setup, cell.penalised) == (setup, penalised)]
    order = sorted({cell.problem for cell in here}, key=lambda problem: (size[problem], problem))
    for part in range(1, PARTS):
        smaller = order[: math.ceil(part * len(order) / PARTS)]
        if len(smaller) <= PROBLEMS:
            continue
        largest = size[smaller[-1]]
        known = [cell for cell in cells if size.get(cell.problem, math.inf) <= largest]
        model, history = learn(known, target), records(known, target)
        larger = [cell for cell in here if size[cell.problem] > largest]
        for problem, own in grouped(larger, "problem").items():
            shape, calibration = own[0].iteration.shape, own[0].iteration.calibration
            found = {one.solver: one for one in predict(model, history, shape, calibration)}
            for cell in own:
                if one := found.get(cell.solver):
                    yield {
                        **setup._asdict(),
                        **{"problem": problem, "solver": cell.solver, "known": len(smaller)},
                        **{"beyond": math.exp(model.beyond(shape)), "predicted": one.seconds, "low": one.low},
                        **{"high": one.high, "measured": cell.time, "in interval": one.low <= cell.time <= one.high},
                    }


def covered(table: pd.DataFrame) -> str:
    """In one sentence, how often the intervals held."""
    predicted = table[table["predicted"].notna()]
    if predicted.empty:
        return "no larger problem was predicted from smaller ones: too few sizes are stored"
    inside, far = int(predicted["in interval"].sum()), predicted["beyond"].max()
    unpredicted = len(table) - len(predicted)
    share = f"{inside} of {len(predicted)} measured times ({percent(inside / len(predicted))})"
    rest = f"; {unpredicted} more were not predicted" if unpredicted else ""
    return f"of problems up to {far:.3g} times as large as those known, the 90 % intervals held {share}{rest}"
