"""How ours stand: beside other libraries as their users call them, and beside other methods on our objective."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .scores import Score, reference, scores

CLOSE = 1.2  # a ratio below is less than a fifth of a lead


@dataclass(frozen=True)
class Standing:
    """The fastest of ours on one problem, and those it is compared with; None where none reaches the gap.

    peer: the best of all libraries as their users call them. scikit_learn: the best of that one. method: the best of
    the methods of other libraries that were given our objective, which says what our methods do without our kernels.
    """

    problem: str
    ours: str | None
    peer: Score | None
    scikit_learn: Score | None
    method: Score | None

    @property
    def verdict(self) -> str:
        return self.against(self.peer)

    def against(self, other: Score | None) -> str:
        """won, lost, or undecided where the interval of the ratio (the median, of few rounds) contains 1."""
        if other is None or self.ours is None:
            return "undecided" if other is self.ours else "lost" if other else "won"
        ratio = other.ratio
        low, high = (ratio.median, ratio.median) if math.isnan(ratio.low) else (ratio.low, ratio.high)
        return "won" if low > 1 else "lost" if high < 1 else "undecided"


def standing(result: dict[str, Any]) -> Standing:
    rows = [row for row in scores(result) if not row.ours and not row.message]  # the fastest first
    own = result["on_our_objective"]
    theirs, methods = ([row for row in rows if (row.contender in own) == on_ours] for on_ours in (False, True))
    scikit_learn = [row for row in theirs if row.library == "scikit-learn"]
    best = (next(iter(each), None) for each in (theirs, scikit_learn, methods))
    return Standing(result["problem"], reference(result), *best)


@dataclass(frozen=True)
class Overall:
    """Over problems: the ratios (theirs over ours), and on how many problems ours won, lost, or neither.

    mean: geometric. worst: the least ratio and its problem, close: the number of ratios below 1.2. A problem where
    only one side reaches the gap has a verdict and no ratio.
    """

    problems: int
    ratios: int
    mean: float
    worst: float
    worst_problem: str
    close: int
    won: int
    lost: int
    undecided: int


def overall(standings: Iterable[Standing], other: str) -> Overall:
    """other: peer, scikit_learn or method, of a Standing."""
    standings = list(standings)
    pairs = [(each, getattr(each, other)) for each in standings]
    known = {
        each.problem: score.ratio.median
        for each, score in pairs
        if score is not None and not math.isnan(score.ratio.median)
    }
    worst = min(known, key=known.__getitem__, default="")
    verdicts = [each.against(score) for each, score in pairs]
    return Overall(
        len(standings),
        len(known),
        geometric_mean(known.values()),
        known.get(worst, math.nan),
        worst,
        sum(ratio < CLOSE for ratio in known.values()),
        *(verdicts.count(word) for word in ("won", "lost", "undecided")),
    )


def geometric_mean(ratios: Iterable[float]) -> float:
    """NaN of none."""
    known = [ratio for ratio in ratios if ratio == ratio]
    return math.exp(sum(map(math.log, known)) / len(known)) if known else math.nan
