"""How long the runs that are left will take, by those that were measured."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from benchmarks.runner.suites import Case


class Pace:
    """A case takes as long as its last run took; one that has not run, the mean of the others on its problem, or of
    all. It is kept as sums, because a suite may have 100,000 runs."""

    def __init__(self, cases: Iterable[Case]) -> None:
        self.left = Counter(cases)
        self.unknown: Counter[str] = Counter()  # runs left of cases that have not run, by problem
        for case, runs in self.left.items():
            self.unknown[case.problem] += runs
        self.took: dict[Case, float] = {}
        self.of_problem: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])  # seconds, cases
        self.known = 0.0  # seconds left of cases that have run

    def ran(self, case: Case, seconds: float) -> None:
        """A run came to its end, with all that belongs to it."""
        before, left = self.took.get(case), self.left[case]
        sums = self.of_problem[case.problem]
        if before is None:
            self.unknown[case.problem] -= left
            sums[1] += 1
        self.known += seconds * (left - 1) - (before or 0.0) * left
        sums[0] += seconds - (before or 0.0)
        self.took[case], self.left[case] = seconds, left - 1

    def seconds(self) -> float:
        if not self.took:
            return float("nan")
        mean = sum(sums[0] for sums in self.of_problem.values()) / len(self.took)
        others = 0.0
        for problem, runs in self.unknown.items():
            seconds, cases = self.of_problem.get(problem, (0.0, 0.0))
            others += runs * (seconds / cases if cases else mean)
        return max(0.0, self.known + others)
