"""What a profile is: the phases of a run, their work, what the machine reaches, and what makes the run slow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from solvers import Stop

from ..runner.suites import Case

SYNCHRONISATION = "host synchronisation"
TOLERANCE = 0.01  # of the total that the phases may miss


@dataclass(frozen=True)
class Phase:
    """One row of the table. FLOPs and bytes are by formula (benchmarks/profiling/work.py), seconds are measured."""

    name: str
    seconds: float
    calls: int  # times it was entered
    flops: float = 0.0
    bytes: float = 0.0
    compute: float = 0.0  # seconds that this machine needs for those events that its arithmetic bounds
    bandwidth: float = 0.0  # and for those that its memory bounds
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
        """The share of what this machine reaches: the seconds it would need, over those it took; NaN without work."""
        needed = self.compute + self.bandwidth
        return needed / self.seconds if needed and self.seconds else math.nan


class Start(NamedTuple):
    """Seconds of the first time, and of later ones (NaN where there are none)."""

    first: float
    warm: float = math.nan


@dataclass(frozen=True)
class Profile:
    """A run of a case, phase by phase.

    phases: of the instrumented run whose total is the (lower) median; total: that total, by two readings of the clock
    around the run, and the time of the copy to the device. uninstrumented: the median of the same without phases;
    both totals of each repeat are in `totals`. calibration: what this machine reached in the same session, and
    `at_size` at the problem's size. cold: what the first time cost in this process; only a fresh one is cold.
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
        """The share of the total that no phase has (negative: that two have); NaN where the clock stood still."""
        return 1 - sum(row.seconds for row in self.phases) / (self.total or math.nan)

    @property
    def bounds(self) -> dict[str, float]:
        """Seconds that each of four things explains, whatever else is done at the same time.

        compute and bandwidth: each event of the run is put to what bounds it on this machine. latency: every tensor
        operation takes as long as a small one. synchronisation: the measured phase, or where reads were not timed
        apart every read takes as long as one alone.
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
        """The profile that `as_dict` tells of, also after JSON. Raises KeyError, TypeError,
        AttributeError or ValueError for anything else."""
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
        verdict(found)  # reads all that a report will read
        return found


def _or(value: float | None, absent: float) -> float:
    """What JSON, which has neither NaN nor infinity, wrote as null."""
    return absent if value is None else value


MEANS = {
    "latency": "{0.operations} tensor operations, as long as a small one takes each,",
    "bandwidth": "reading and writing at the bandwidth of this machine",
    "compute": "arithmetic at the rates of this machine",
    "synchronisation": "{0.reads} numbers on their way to the host",
}
LITTLE = 0.5  # of the time: what explains less is not said to be the cause


def verdict(profile: Profile) -> str:
    """Why it is slow, in one line: the bound that explains most of the uninstrumented time, and the others' shares."""
    shares = {name: seconds / (profile.uninstrumented or math.nan) for name, seconds in profile.bounds.items()}
    first, *others = sorted(shares, key=lambda name: -shares[name])
    longest = max(profile.phases, key=lambda row: row.seconds)
    line = first if shares[first] >= LITTLE else f"{first} more than the other three"
    line += f": {MEANS[first].format(profile)} would take {shares[first]:.0%} of the time"
    line += f" ({', '.join(f'{name} {shares[name]:.0%}' for name in others)})"
    if sum(shares.values()) < LITTLE:
        line += "; the rest is Python, kernels below those rates, and what is done number by number (sigmoids)"
    line += f"; the longest phase is {longest.name}, {longest.seconds / (profile.total or math.nan):.0%}"
    return line if math.isnan(longest.reached) else f"{line}, at {longest.reached:.0%} of what this machine reaches"


def sums(profile: Profile) -> str:
    """Whether the parts add up to the total, in one line."""
    found = f"the phases add up to {1 - profile.missing:.2%} of the instrumented run"
    return found if abs(profile.missing) <= TOLERANCE else f"{found}: they must not be trusted"
