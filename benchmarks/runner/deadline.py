"""A time limit for code that has none of its own: an exception raised in the middle of it."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager


class OutOfTimeError(BaseException):
    """No subclass of Exception, so that no library handles it as an error of its own."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError after so many seconds, which may be infinite. For the main thread. Native code is not
    interrupted: the exception is raised when it returns."""
    if seconds == math.inf:
        yield
        return

    def expire(*_: object) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
