"""What a command does before it measures: on a terminal while it does it, elsewhere a line if it takes a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

from rich.console import Console

from .output import rough, say

SILENT = 1.0  # seconds


@contextmanager
def doing(what: str) -> Iterator[None]:
    """For work off the clock that may take long."""
    if sys.stderr.isatty():
        with Console(stderr=True).status(what):
            yield
        return
    began = time.monotonic()
    timer = Timer(SILENT, say, [f"{what} ..."])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # no thread is left when a run is on the clock
        if (seconds := time.monotonic() - began) > SILENT:
            say(f"{what}: {rough(seconds)}")
