"""Lines for a reader or a program, which may go away; times in words."""

from __future__ import annotations

import math
import os
import sys
from typing import TextIO


def say(*words: object, file: TextIO | None = None) -> None:
    """Print a line, to stderr or another stream; measuring continues if nobody reads it any more."""
    file = file or sys.stderr
    try:
        print(*words, flush=True, file=file)
    except OSError:  # a broken pipe, or a terminal that was closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


def exact(seconds: float) -> str:
    """A measured time with three digits: 2.31 ms."""
    if not math.isfinite(seconds):
        return "-"
    unit, size = next(((u, s) for u, s in (("s", 1.0), ("ms", 1e-3)) if seconds >= 0.9995 * s), ("us", 1e-6))
    return f"{seconds / size:#.3g}".rstrip(".") + f" {unit}" if seconds < 999.5 else f"{seconds:.0f} s"


def rough(seconds: float) -> str:
    """A time that is estimated: less than a second, 40 s, 12 min, 3.5 h, 2 days."""
    if seconds < 0.5:
        return "less than a second"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.2g} h" if seconds < 99.5 * 3600 else f"{seconds / 86400:.2g} days"
