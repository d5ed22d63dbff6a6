"""Solvers compared over many problems: their scores, their pairs, and whether the ranking is stable."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pandas as pd

from benchmarks.runner.statistics import FEWEST

from ..statistics.profiles import area, flips, ratios, shares, wins
from ..text import distinct, percent, plural
from .contests import Contest
from .rankings import Ranking
from .record import Table

FEWEST_PROBLEMS = 3  # a share of two problems is no share


def scores(ranking: Ranking) -> pd.DataFrame:
    """Each row is a solver: the share of problems that it solved (to a relative gap of 1e-6), that it solved first, and
    that it solved within twice the time of the first; and the area under its performance profile up to tau = 100. All
    but the first depend on which other solvers take part."""
    ratio = ratios(ranking.times)
    reached, within = np.isfinite(ranking.times).mean(axis=0), shares(ratio, np.array([2.0]))[:, 0]
    rows = [
        {
            **{"solver": label, "problems": len(ranking.contests), "reached": percent(reached[k])},
            **{"first": percent(wins(ratio)[k]), "within 2 x": percent(within[k]), "area": float(area(ratio)[k])},
            "runs": ranking.runs[label],
        }
        for k, label in enumerate(ranking.solvers)
    ]
    return pd.DataFrame(rows).sort_values("area", ascending=False, kind="stable", ignore_index=True)


def pairwise(ranking: Ranking) -> pd.DataFrame:
    """Each cell is the share of problems that the solver of the row solves before the solver of the column, by more
    than the repeats scatter. What is missing to 100 % with the opposite cell is undecided, or neither solves the
    problem."""
    rows = []
    for first in ranking.solvers:
        cells = {
            f"before {second}": "-"
            if first == second
            else percent(np.mean([before(contest, first, second) for contest in ranking.contests]))
            for second in ranking.solvers
        }
        rows.append({"solver": first} | cells | {"runs": ranking.runs[first]})
    return pd.DataFrame(rows)


def before(contest: Contest, first: str, second: str) -> bool:
    return contest.median(first) < contest.median(second) and contest.is_faster(first, second)


def open_pairs(ranking: Ranking) -> str:
    """How many pairs of solvers on a problem have too few repeats for an order, as a sentence; empty for none."""
    pairs = [
        min(len(contest.times[a]), len(contest.times[b]))
        for contest in ranking.contests
        for a, b in combinations(ranking.solvers, 2)
        if contest.undecided(a, b) and math.isfinite(min(contest.median(a), contest.median(b)))
    ]
    few = [count for count in pairs if count < FEWEST]
    if not few:
        return ""
    every = len(ranking.contests) * math.comb(len(ranking.solvers), 2)
    return (
        f"Of {plural(every, 'pair')} of solvers on a problem {len(few)} are undecided because of too few repeats "
        f"({distinct(few)}; {FEWEST} are needed): of these the scores show the order of the medians alone."
    )


def stability(ranking: Ranking) -> str:
    """Whether dropping one solver turns the order of two others around, in one sentence for each score."""
    sentences = []
    for name, score in (("at tau = 1", wins), ("by area", area)):
        found = flips(ranking.times, list(ranking.solvers), score)
        if len(ranking.solvers) < 3:
            continue
        pairs = len({frozenset(flip[:2]) for flip in found})
        if not found:
            sentences.append(f"The ranking {name} stays as it is whichever solver is dropped.")
            continue
        a, b, c = found[0]
        others = f", and {pairs - 1} more {'pairs' if pairs > 2 else 'pair'} change order too" if pairs > 1 else ""
        sentences.append(
            f"The ranking {name} depends on which solvers take part: without {c}, {b} ranks above {a}{others}."
        )
    return " ".join(sentences)


SCORES, PAIRS = Table("solver-scores", scores), Table("pairwise", pairwise)
