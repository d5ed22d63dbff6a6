"""The progress bar of the verbs that measure, on stderr and only on a terminal."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn


def progress_bar(time: ProgressColumn | None = None) -> Progress:
    """time: the last column."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), time or TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
