"""An end to what takes too long: an exception from outside, in the middle of it."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager


class OutOfTimeError(BaseException):
    """Raised in the middle of a fit: no library may take it for an error of its own, hence no Exception."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """OutOfTimeError after so many seconds; never where they are infinite. For the main thread. Native code is not
    interrupted: it is noticed when that returns."""
    if seconds == math.inf:
        yield
        return

    def ring(*_: object) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
