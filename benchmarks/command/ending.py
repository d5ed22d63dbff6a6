"""The end that a signal asks for: what is stored stays, and nothing is half-done."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """A KeyboardInterrupt for each of these signals, in a context that yields a function to be called between runs.

    That raises it again where it was lost: Python drops an exception in a destructor or a callback of native code.
    """
    asked: list[int] = []

    def ring(number: int, frame: object) -> None:
        asked.append(number)
        raise KeyboardInterrupt

    def go_on() -> None:
        if asked:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, ring) for number in SIGNALS}
    try:
        yield go_on
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def report(*words: object) -> None:
    """A line for the program that reads along; that it has stopped reading is no reason to stop measuring."""
    if sys.stdout.isatty():
        return
    try:
        print(*words, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
