"""How long a suite is expected to take: by a measurement, or by the limits of its runs where none was made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from benchmarks.runner.suites import Case, default_repeats

from .output import rough

# suite -> cases, and seconds that a repeat of them took in all: processor time of
# `python -m benchmarks run --suite NAME` into an empty store (quick: a sixth of 6 repeats, the others: 1 repeat; peers,
# which have processes of their own: time on the clock), on AMD EPYC, 2 cores, one thread a run, beside other work;
# 2026-11-29.
MEASURED: dict[str, tuple[int, float]] = {
    "classic": (39, 4.9),
    "quick": (341, 16.8),
    "peers": (120, 34.9),
    "sizes": (20, 8.5),
    "sweep": (64, 28.8),
    "functions": (1178, 191.2),
    "nist": (930, 177.9),
}


def expected(suite: str, make: Callable[[], Sequence[Case]]) -> str:
    """In words, for its default repeats. A measurement is scaled to the cases that there are now."""
    cases, repeats = make(), default_repeats([suite])
    if suite in MEASURED:
        measured, seconds = MEASURED[suite]
        return f"about {rough(repeats * seconds * len(cases) / measured)} for {repeats} repeats"
    limits = repeats * sum(case.stop.seconds for case in cases)
    if math.isinf(limits):
        return "not measured yet"
    return f"{rough(limits)} for {repeats} repeats if each run takes its whole time limit; most take less"
