"""A profile: the phases of a run, their work, what the machine reaches, and what limits the speed of the run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from solvers import Stop

from ..runner.suites import Case

SYNCHRONISATION = "host synchronisation"
BUSY = 2.0  # the slowest of equal runs over the fastest: beyond it something else ran
TOLERANCE = 0.01  # share of the total that may be missing from the sum of the phases


@dataclass(frozen=True)
class Phase:
    """One row of the table. FLOPs and bytes are by formula (benchmarks/profiling/work.py), seconds are measured."""

    name: str
    seconds: float
    calls: int  # times it was entered
    flops: float = 0.0
    bytes: float = 0.0
    compute: float = 0.0  # seconds that this machine needs for the events that its arithmetic limits
    bandwidth: float = 0.0  # and for those that its memory limits
    operations: int = 0  # tensor operations, without views and reads
    reads: int = 0  # numbers, or tensors, that the host read off the device

    @property
    def gflops(self) -> float:
        return 1e-9 * self.flops / self.seconds if self.seconds else 0.0

    @property
    def gbs(self) -> float:
        return 1e-9 * self.bytes / self.seconds if self.seconds else 0.0

    @property
    def intensity(self) -> float:
        """FLOPs a byte."""
        return self.flops / self.bytes if self.bytes else 0.0

    @property
    def reached(self) -> float:
        """The seconds that this machine needs for the work, over those it took; NaN without work."""
        needed = self.compute + self.bandwidth
        return needed / self.seconds if needed and self.seconds else math.nan


class Start(NamedTuple):
    """Seconds of the first time, and of later ones (NaN where there are none)."""

    first: float
    warm: float = math.nan


@dataclass(frozen=True)
class Profile:
    """A run of a case, phase by phase.

    phases: of the instrumented run with the (lower) median total. total: of that run, by two readings of the clock
    around it, plus the copy to the device. uninstrumented: the median of the same without phases; both totals of each
    repeat are in `totals`. calibration: what this machine reached in the same session, and `at_size` at the problem's
    size. cold: the times of what is slower the first time in a process.
    """

    case: Case
    shape: tuple[int, int]
    status: str
    iterations: int
    phases: tuple[Phase, ...]
    total: float
    uninstrumented: float
    calibration: Mapping[str, float]
    at_size: Mapping[str, float]
    cold: Mapping[str, Start] = field(default_factory=dict)
    totals: tuple[tuple[float, float], ...] = ()  # (uninstrumented, instrumented) of each repeat
    formulas: bool = True  # whether the FLOPs and bytes of this objective are known

    def __getitem__(self, name: str) -> Phase:
        return next(row for row in self.phases if row.name == name)

    @property
    def operations(self) -> int:
        return sum(row.operations for row in self.phases)

    @property
    def reads(self) -> int:
        return sum(row.reads for row in self.phases)

    @property
    def missing(self) -> float:
        """The share of the total that is in no phase (negative: in two); NaN for a total of 0."""
        return 1 - sum(row.seconds for row in self.phases) / (self.total or math.nan)

    @property
    def busy(self) -> bool:
        """Whether other work shows in the times: equal runs differ by more than a factor of two, or the one that also
        measures its phases is the faster one by more than a tenth."""
        for times in zip(*self.totals, strict=True):
            if max(times) > BUSY * min(times):
                return True
        return self.total < 0.9 * self.uninstrumented

    @property
    def bounds(self) -> dict[str, float]:
        """Seconds that each of four limits explains by itself.

        compute and bandwidth: each event of the run counts for the one that limits it on this machine. latency: as if
        every tensor operation took as long as a small one. synchronisation: the measured phase, or, where reads were
        not timed separately, as if every read took as long as a single one.
        """
        return {
            "latency": 1e-6 * self.operations * self.calibration["kernel_us"],
            "bandwidth": sum(row.bandwidth for row in self.phases),
            "compute": sum(row.compute for row in self.phases),
            "synchronisation": self[SYNCHRONISATION].seconds or 1e-6 * self.reads * self.calibration["read_us"],
        }

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, derived ones included."""
        rows = [
            vars(row) | {name: getattr(row, name) for name in ("gflops", "gbs", "intensity", "reached")}
            for row in self.phases
        ]
        return vars(self) | {
            "case": self.case.describe(),
            "phases": rows,
            "calibration": dict(self.calibration),
            "at_size": dict(self.at_size),
            "cold": {name: start._asdict() for name, start in self.cold.items()},
            "operations": self.operations,
            "reads": self.reads,
            "missing": self.missing,
            "bounds": self.bounds,
            "verdict": verdict(self),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Profile:
        """The inverse of `as_dict`, also after JSON. Raises KeyError, TypeError, AttributeError or ValueError for
        anything else."""
        case = stored["case"]
        setup = {name: case[name] for name in ("problem", "solver", "dtype", "device", "threads")}
        n, d = stored["shape"]
        plain = {name: stored[name] for name in ("status", "iterations", "total", "uninstrumented", "formulas")}
        found = cls(
            Case(**setup, stop=Stop(**case["stop"] | {"seconds": _or(case["stop"]["seconds"], math.inf)})),
            (n, d),
            phases=tuple(Phase(**{part.name: row[part.name] for part in fields(Phase)}) for row in stored["phases"]),
            calibration=dict(stored["calibration"]),
            at_size=dict(stored["at_size"]),
            cold={name: Start(*(_or(t, math.nan) for t in pair.values())) for name, pair in stored["cold"].items()},
            totals=tuple((without, within) for without, within in stored["totals"]),
            **plain,
        )
        verdict(found)  # uses all that a report uses
        return found


def _or(value: float | None, absent: float) -> float:
    """JSON has neither NaN nor infinity: both are stored as null."""
    return absent if value is None else value


MEANS = {
    "latency": "{0.operations} tensor operations, as long as a small one takes each,",
    "bandwidth": "reading and writing at the bandwidth of this machine",
    "compute": "arithmetic at the rates of this machine",
    "synchronisation": "{0.reads} numbers on their way to the host",
}
LITTLE = 0.5  # share of the time: what explains less is not called the cause


def verdict(profile: Profile) -> str:
    """What limits the speed, in one line: the bound that explains most of the uninstrumented time, and the shares of
    the others."""
    shares = {name: seconds / (profile.uninstrumented or math.nan) for name, seconds in profile.bounds.items()}
    first, *others = sorted(shares, key=lambda name: -shares[name])
    longest = max(profile.phases, key=lambda row: row.seconds)
    line = first if shares[first] >= LITTLE else f"{first} more than the other three"
    line += f": {MEANS[first].format(profile)} would take {shares[first]:.0%} of the time"
    line += f" ({', '.join(f'{name} {shares[name]:.0%}' for name in others)})"
    if sum(shares.values()) < LITTLE:
        line += "; the rest is Python, kernels below those rates, and what is done number by number (sigmoids)"
    line += f"; the longest phase is {longest.name}, {longest.seconds / (profile.total or math.nan):.0%}"
    return line if math.isnan(longest.reached) else f"{line}, at {reached(longest)} of what this machine reaches"


def reached(row: Phase) -> str:
    """The share in words: a dash without work, and no number above 100 %, where caches or a better kernel than that of
    the calibration are at work, so that how far above says nothing."""
    return "-" if math.isnan(row.reached) else "> 100%" if row.reached > 1 else f"{row.reached:.0%}"


def overhead(profile: Profile) -> str:
    """What the phases add to the time of a run; where other work on the machine hides it, that."""
    if profile.busy:
        return "other work ran on the machine, so no time here can be trusted: measure again when it is idle"
    return f"with phases {profile.total / (profile.uninstrumented or math.nan) - 1:+.1%}"


def sums(profile: Profile) -> str:
    """Whether the parts add up to the total, in one line."""
    found = f"the phases add up to {1 - profile.missing:.2%} of the instrumented run"
    return found if abs(profile.missing) <= TOLERANCE else f"{found}: they must not be trusted"
