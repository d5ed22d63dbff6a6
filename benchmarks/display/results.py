"""A short table of what was measured: the fastest solvers on each problem."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from benchmarks.runner.suites import Case
from solvers import Status

from .output import exact

GAP = 1e-6  # relative to f(x0) - f*, as in the reports
ROWS = 12
ENDED = (Status.CONVERGED, Status.SEPARABLE)  # in what order of merit, where there is no gap; then all others


class Results:
    """What the runs of a command came to, by case; no rows are kept."""

    def __init__(self) -> None:
        self.found: dict[Case, list[tuple[float, float, int, str]]] = {}

    def add(self, case: Case, rows: Sequence[Mapping[str, Any]]) -> None:
        """rows: of a run."""
        run = to_gap(rows), rows[0]["total_seconds"], rows[-1]["iteration"], rows[0]["status"]
        self.found.setdefault(case, []).append(run)

    def table(self) -> Table | None:
        """At most twelve rows; None where nothing was measured."""
        problems = dict.fromkeys(case.problem for case in self.found)
        shown = list(problems)[:ROWS]
        if not shown:
            return None
        more = f"; {len(problems) - len(shown)} more problems are in the report" if len(problems) > len(shown) else ""
        title = f"The fastest of the runs that were just measured: medians{more}"
        table = Table("problem", "solver", "time", "until", "iterations", "status", "runs", title=title, box=SIMPLE)
        table.title_justify = "left"
        for problem in shown:
            cases = [case for case in self.found if case.problem == problem]
            gap = any(not math.isnan(run[0]) for case in cases for run in self.found[case])
            for case in sorted(cases, key=lambda case: self._order(case, gap))[: max(1, ROWS // len(shown))]:
                table.add_row(*map(Text, self._row(case, gap)))
        return table

    def _order(self, case: Case, gap: bool) -> tuple[float, float, int]:
        runs = self.found[case]
        ended = min(ENDED.index(status) if status in ENDED else len(ENDED) for *_, status in runs)
        error = all(status == Status.ERROR for *_, status in runs)
        return (self._time(case, 0) if gap else float(ended + error), float(ended + error), self._time(case, 1))

    def _time(self, case: Case, column: int) -> float:
        times = [run[column] for run in self.found[case]]
        return median(math.inf if math.isnan(time) else time for time in times)

    def _row(self, case: Case, gap: bool) -> tuple[str, ...]:
        runs = self.found[case]
        there = gap and math.isfinite(self._time(case, 0))
        statuses = Counter(status for *_, status in runs).most_common()
        return (
            case.problem,
            case.label,
            exact(self._time(case, 0 if there else 1)),
            f"gap {GAP:g}" if there else "its end",
            f"{median(run[2] for run in runs):g}",
            ", ".join(status + f" ({count} of {len(runs)})" * (count < len(runs)) for status, count in statuses),
            str(len(runs)),
        )


def to_gap(rows: Sequence[Mapping[str, Any]]) -> float:
    """Seconds of the first kept iterate whose gap is at most GAP times that of the start; infinite if none, NaN where
    no gap is known."""
    start = rows[0].get("gap", math.nan)
    if math.isnan(start):
        return math.nan
    return next((row["seconds"] for row in rows if row["gap"] <= GAP * start), math.inf)
