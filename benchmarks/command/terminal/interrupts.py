"""How a verb ends after a signal: what is stored stays, and nothing is half-done."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.display.output import say

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Raise KeyboardInterrupt for each of these signals, in a context that yields a function to call between runs.

    That raises it again if it was lost: Python drops an exception in a destructor or a callback of native code.
    """
    received: list[int] = []

    def handle(number: int, frame: object) -> None:
        received.append(number)
        raise KeyboardInterrupt

    def check() -> None:
        if received:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def report(*words: object) -> None:
    """Print a line for a program that reads the output; measuring continues if that program has gone."""
    if not sys.stdout.isatty():
        say(*words, file=sys.stdout)
