"""What following the recommendations would have cost: each problem held out in turn."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence, Set

import numpy as np
import pandas as pd

from .experience import ARRIVED, NOT_COUNTED, Experience, Setup
from .model import Target, grouped, learn, two_classes
from .prediction import predict
from .records import records

FEWEST_PROBLEMS = 4
LOWER_BOUND = "regret is a lower bound"
TRIVIAL, TRIVIAL_LOWER_BOUND = "regret of the trivial rule", "regret of the trivial rule is a lower bound"
MEASURE_MORE = "python -m benchmarks run --suite quick --repeats 6"


def regret(cells: Sequence[Experience]) -> pd.DataFrame:
    """Each row is a problem that was held out: the solver that the model of the other problems recommends, the fastest
    one, and the ratio of their times (regret). The trivial rule takes the solver that was fastest most often. Lower
    bound: the recommended solver never reached the gap, so the regret is at least this."""
    asked = [cell for cell in cells if cell.outcome != NOT_COUNTED]
    setups = dict.fromkeys(cell.setup for cell in asked)
    rows = []
    for setup in setups:
        for problem, own in grouped((cell for cell in asked if cell.setup == setup), "problem").items():
            others = [cell for cell in cells if cell.problem != problem]
            rows += _held_out(setup, problem, own, others)
    return pd.DataFrame(rows)


def _held_out(setup: Setup, problem: str, own: list[Experience], others: list[Experience]) -> list[dict]:
    """The row of a problem; none where nothing arrived, nothing can be recommended, or there is no choice."""
    measured = {cell.solver: cell for cell in own if two_classes(cell)}
    best = min(measured.values(), key=lambda cell: cell.time, default=None)
    if best is None or math.isinf(best.time) or len(measured) < 2:
        return []
    target = Target(setup.device, setup.threads, setup.dtype, best.penalised)
    model = learn(others, target)
    found = predict(model, records(others, target), best.iteration.shape, best.iteration.calibration) if model else []
    choices = [one for one in found if one.solver in measured and math.isfinite(one.seconds)]
    trivial = most_often_best((cell for cell in others if cell.setup == setup), set(measured))
    if not choices or trivial is None:
        return []
    chosen, usual = measured[choices[0].solver], measured[trivial]
    arrived = [(one, measured[one.solver].time) for one in choices if measured[one.solver].outcome == ARRIVED]
    return [
        {
            **setup._asdict(),
            **{"problem": problem, "recommended": chosen.solver, "best": best.solver, "best time": best.time},
            **{"regret": _reached(chosen) / best.time, LOWER_BOUND: math.isinf(chosen.time)},
            **{
                "trivial rule": trivial,
                TRIVIAL: _reached(usual) / best.time,
                TRIVIAL_LOWER_BOUND: math.isinf(usual.time),
            },
            **{"predicted": len(arrived), "in interval": sum(one.low <= time <= one.high for one, time in arrived)},
            "runs": tuple(sorted(key for cell in own for key in cell.runs)),
        }
    ]


def _reached(cell: Experience) -> float:
    """The time to the gap; of a solver that had not arrived, how long it had tried."""
    return cell.time if math.isfinite(cell.time) else cell.waited


def most_often_best(others: Iterable[Experience], solvers: Set[str]) -> str | None:
    """Of these solvers, the one that was the fastest on most of the other problems."""
    arrived = grouped((cell for cell in others if cell.outcome == ARRIVED and cell.solver in solvers), "problem")
    wins = Counter(min(cells, key=lambda cell: cell.time).solver for cells in arrived.values())
    return wins.most_common(1)[0][0] if wins else None


def verdict(table: pd.DataFrame) -> list[str]:
    """Median and worst regret of the model and of the trivial rule, and which is better, where their bounds decide."""
    rules = {
        "regret of the model": ("regret", LOWER_BOUND),
        "of the solver that was best most often": (TRIVIAL, TRIVIAL_LOWER_BOUND),
    }
    lines, means, bounds = [], [], []
    for name, (column, at_least) in rules.items():
        ratios, lower_bounds = table[column], int(table[at_least].sum())
        means.append(float(np.exp(np.log(ratios).mean())))
        bounds.append(lower_bounds)
        line = f"{name}: median {ratios.median():.3g}, worst {ratios.max():.3g}, geometric mean {means[-1]:.3g}"
        lines.append(line + (f" ({lower_bounds} of {len(table)} are lower bounds)" if lower_bounds else ""))
    where = f"by the geometric mean over {len(table)} held-out problems"
    beats = means[0] < means[1]
    if bounds[0] if beats else bounds[1]:  # the one that looks better may be worse than its bounds
        lines.append(f"whether the model beats the trivial rule is undecided, {where}")
    else:
        lines.append(f"the model {'does' if beats else 'does not'} beat the trivial rule, {where}")
    predicted, inside = table["predicted"].sum(), table["in interval"].sum()
    share = f" ({100 * inside / predicted:.0f} %)" if predicted else ""
    inside_of = f"the 90 % intervals held {inside} of {predicted} measured times{share}"
    return [*lines, f"of problems held out one by one, {inside_of}"]


def too_few(table: pd.DataFrame) -> str:
    """Why there is no regret to speak of; empty where there is."""
    if len(table) >= FEWEST_PROBLEMS:
        return ""
    there = f"regret needs {FEWEST_PROBLEMS} problems with a known f*, and there are {len(table)}"
    return f"{there}: `{MEASURE_MORE}` measures more"
