"""Whether a run had the machine to itself: its time on the processors against its time on the clock."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

try:
    import resource
except ImportError:  # Windows
    resource = None

SLACK = 0.1  # share of a run that it may spend waiting: an undisturbed one stays below 2 %
LEAST = 1e-4  # seconds: waking a thread takes microseconds, the turn of another process a millisecond or more
TASKS = Path("/proc/self/task")  # Linux: sched-stats.rst of its documentation
COLUMNS = ("wall_seconds", "cpu_seconds", "delay_seconds", "preempted", "load")


class Reading(NamedTuple):
    """Seconds and counts since some beginning; NaN where the system does not report them."""

    outer: float  # the clock before, or after, all else was read
    wall: float
    cpu: float  # of all threads
    delays: dict[str, float]  # by thread: how long it was ready to run and had no processor
    preempted: float  # times that a thread lost its processor to another


@dataclass
class Watch:
    """A context that measures what happens in it; several times add up. Nothing is read in between."""

    spent: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> Watch:
        self._load = _load()
        self._began = before()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = after()
        for name, seconds in difference(self._began, ended).items():
            self.spent[name] = self.spent.get(name, 0.0) + seconds
        self.spent["load"] = self._load

    def subtract_time_outside(self, seconds: float) -> None:
        """Subtract the time that was watched but not on the run's own clock: it may have waited there, too."""
        outside = max(self.spent["wall_seconds"] - seconds, 0.0)
        self.spent["wall_seconds"] -= outside
        self.spent["delay_seconds"] = max(self.spent["delay_seconds"] - outside, 0.0)  # NaN stays NaN

    def columns(self) -> dict[str, float]:
        """wall_seconds and cpu_seconds of what was watched, delay_seconds (of the thread that waited longest for a
        processor), preempted, and load (the system's average over the minute before)."""
        return dict.fromkeys(COLUMNS, math.nan) | self.spent


def before() -> Reading:
    """The clock is read last, and first by `after`: the time on the processors then includes that on the clock."""
    outer, preempted, delays, cpu = time.perf_counter(), _preempted(), _delays(), time.process_time()
    return Reading(outer, time.perf_counter(), cpu, delays, preempted)


def after() -> Reading:
    wall, cpu, delays, preempted = time.perf_counter(), time.process_time(), _delays(), _preempted()
    return Reading(time.perf_counter(), wall, cpu, delays, preempted)


def difference(began: Reading, ended: Reading) -> dict[str, float]:
    """What passed between two readings; a delay that may lie within the readings themselves is subtracted."""
    wall, known = ended.wall - began.wall, ended.delays if began.delays else {}
    waits = [seconds - began.delays.get(thread, 0.0) for thread, seconds in known.items()]
    delay = max(waits, default=math.nan) - (ended.outer - began.outer - wall)
    return {
        "wall_seconds": wall,
        "cpu_seconds": ended.cpu - began.cpu,
        "delay_seconds": max(delay, 0.0),  # NaN stays NaN
        "preempted": ended.preempted - began.preempted,
    }


def is_disturbed(run: Mapping[str, Any], device: str, tick: float) -> bool:
    """Whether a run spent a tenth of its time or more waiting for other work on the machine, by its columns.

    Either one of its threads was ready for so long without a processor; or, on the CPU, all its threads together were
    on the processors for less time than passed. No other sign is reliable: several threads add up to more time than
    passes, and a run that waits for a GPU need not be on a processor. tick: the resolution of the time on processors.
    """
    wall, cpu, delay = (run.get(name, math.nan) for name in ("wall_seconds", "cpu_seconds", "delay_seconds"))
    allowed = max(SLACK * wall, LEAST)
    return delay > allowed or (device == "cpu" and wall - cpu > max(allowed, 2 * tick))


@cache
def processor_tick() -> float:
    """Seconds of the smallest step of the time on the processors: some systems count it in hundredths of a second."""
    began, steps, last = time.perf_counter(), [], time.process_time()
    while len(steps) < 5 and time.perf_counter() - began < 0.2:
        now = time.process_time()
        if now > last:
            steps.append(now - last)
            last = now
    return min(steps, default=0.2)


def _delays() -> dict[str, float]:
    found: dict[str, float] = {}
    for task in TASKS.glob("*/schedstat"):
        with suppress(OSError, LookupError, ValueError):  # a thread that ended just now
            found[task.parent.name] = 1e-9 * int(task.read_text().split()[1])
    return found


def _preempted() -> float:
    return math.nan if resource is None else float(resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw)


def _load() -> float:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return math.nan
