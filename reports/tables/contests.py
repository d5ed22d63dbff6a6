"""Which solver is first to a target: the order of their times, as far as the repeats decide it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from ..data.repeats import DISTURBED, count_disturbed
from ..data.targets import times_to_target
from ..statistics.bootstrap import mostly_below, ratio
from ..statistics.estimate import too_few
from ..text import seconds


def by_label(frame: pd.DataFrame, times: pd.Series, column: str = "label") -> dict[str, np.ndarray]:
    """Times of runs by their label, each in the order of the runs' keys.

    times: seconds, indexed by run.
    """
    runs = frame.drop_duplicates("run").set_index("run")[column]
    return {label: times.loc[sorted(own.index)].to_numpy(float) for label, own in runs.groupby(runs, sort=False)}


@dataclass(frozen=True)
class Contest:
    """One way to ask which solver is fastest: the times of each, infinite where a repeat never got to the target."""

    name: str
    times: dict[str, np.ndarray]  # label -> (repeats,)
    disturbed: bool = False  # then it is known which solvers got there, and not which was first

    @classmethod
    def to_gap(cls, name: str, frame: pd.DataFrame) -> Contest:
        """The times to a relative gap of 1e-6 on one problem."""
        return cls(name, by_label(frame, times_to_target(frame)), bool(count_disturbed(frame)))

    def median(self, label: str) -> float:
        return float(np.median(self.times[label]))

    def ranked(self) -> list[str]:
        return sorted(self.times, key=self.median)

    def is_faster(self, first: str, second: str) -> bool:
        """Whether the one was faster than the other by more than the repeats scatter."""
        if math.isinf(self.median(second)):
            return math.isfinite(self.median(first))
        if self.disturbed:
            return False
        a, b = self.times[first], self.times[second]
        if np.isfinite(a).all() and np.isfinite(b).all():
            return ratio(a, b)[2] < 1
        return mostly_below(a, b)

    def undecided(self, first: str, second: str) -> str:
        """Why the repeats do not show whether the two are equally fast; empty where they do, or one is ahead."""
        few = too_few(min(len(self.times[first]), len(self.times[second])))
        if not few and self.disturbed:
            return DISTURBED
        if not few and np.isfinite([*self.times[first], *self.times[second]]).all():
            return ""
        if self.is_faster(first, second) or self.is_faster(second, first):
            return ""
        return few or "not all repeats got there"

    def why_undecided(self) -> str:
        """Why the repeats leave the order of some open; empty where they are enough."""
        return next(filter(None, (self.undecided(*two) for two in pairwise(self.ranked()))), "")

    def fastest(self, label: str) -> bool | None:
        """Whether it is; None where the repeats do not separate it from the first, or as the first from another."""
        first, *others = self.ranked()
        if label == first:
            return True if all(self.is_faster(first, other) for other in others) else None
        return False if self.is_faster(first, label) else None

    def slowest(self, label: str) -> bool | None:
        """Whether it is; None where the repeats do not separate it from the last, or the last from another. Those that
        never got there share the place."""
        *others, last = self.ranked()
        if math.isinf(self.median(last)):
            return math.isinf(self.median(label)) and math.isfinite(self.median(others[-1]))
        if label == last:
            return True if all(self.is_faster(other, last) for other in others) else None
        return False if self.is_faster(label, last) else None

    def describe(self) -> str:
        medians = ", ".join(f"{label} {seconds(self.median(label))}" for label in self.times)
        return f"{self.name}: {medians}" + f" ({DISTURBED})" * self.disturbed
