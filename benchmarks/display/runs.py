"""The runs of a command while they are measured: a line each on stderr, or on a terminal a table that fills.

Nothing is drawn while a run is on the clock: a terminal is refreshed between two runs, by no thread of its own.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.box import SIMPLE
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from benchmarks.runner.suites import Case

from .output import exact, rough, say
from .pace import Pace

SHOWN = 10  # of the last runs, on a terminal
COLUMNS = ("solver", "problem", "time", "iterations", "status")


class Display:
    """Tells of each run. cases: one for each run that is to be measured."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.total, self.done, self.pace = len(cases), 0, Pace(cases)
        self.varying = [name for name in ("dtype", "device", "threads") if len({getattr(c, name) for c in cases}) > 1]
        self.last: deque[tuple[str, ...]] = deque(maxlen=SHOWN)
        self.live = Live(console=Console(stderr=True), auto_refresh=False) if sys.stderr.isatty() else None

    def __enter__(self) -> Display:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.live:
            self.live.stop()

    def begins(self, case: Case) -> None:
        self.began = time.monotonic()
        self._draw(f"{self.name(case)} on {case.problem}")

    def ends(self, case: Case, rows: Sequence[Mapping[str, Any]]) -> None:
        """rows: of the run that was stored."""
        self.pace.ran(case, time.monotonic() - self.began)
        self.done += 1
        cells = self.name(case), case.problem, *outcome(rows)
        if self.live:
            self.last.append(cells)
            self._draw("")
        else:
            name, problem, seconds, iterations, status = cells
            counted = f"{iterations} iteration{'s' * (iterations != '1')}"
            say(f"{name} on {problem}: {seconds}, {counted}, {status} ({self.progress()})")

    def name(self, case: Case) -> str:
        """The label, with what is not the same for all runs."""
        words = {"dtype": case.dtype, "device": case.device, "threads": f"threads {case.threads}"}
        return ", ".join([case.label, *(words[name] for name in self.varying)])

    def progress(self) -> str:
        seconds = rough(self.pace.seconds()) if 0 < self.done < self.total else ""
        about = "about " * seconds[:1].isdigit()
        return f"{self.done} of {self.total}" + f", {about}{seconds} left" * bool(seconds)

    def _draw(self, running: str) -> None:
        if not self.live:
            return
        table = Table(*COLUMNS, box=SIMPLE)
        for cells in self.last:
            table.add_row(*(Text(cell) for cell in cells))
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(self.total, self.done, width=30), Text(self.progress()), Text(running, style="dim"))
        self.live.update(Group(table, bar), refresh=True)


def outcome(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str, str]:
    """Of a run, in words: its time, its iterations and its status; of an error also what it was."""
    status, message = rows[0]["status"], rows[0].get("message", "")
    words = f"{status}: {message}" if status == "error" and message else status
    return exact(rows[0]["total_seconds"]), str(rows[-1]["iteration"]), words
