"""Results of the verb `peers`, one record per problem, thread count and machine, and the scores computed from them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from datasets.folders import RESULTS
from solvers.common.sources import code_hash

from ..runner.environment import MEASURING, builds, calibration, environment, machine, provenance
from ..runner.statistics import Interval, median_interval
from ..store.records import read_record, read_records, write_record
from .timing import REACHED

DEFAULT = RESULTS / "peers"
SCHEMA = 1
RACING = (*MEASURING, "benchmarks/scoreboard/contenders.py", "benchmarks/scoreboard/timing.py")
PACKAGES = (
    "scikit-learn",
    "scipy",
    "glum",
    "snapml",
    "pytorch-minimize",
    "statsmodels",
    "torch",
    "numpy",
    "threadpoolctl",
)
SEED = 0  # of the intervals here, as they were published


@cache
def identity() -> dict[str, Any]:
    """What must be the same for a result not to be measured again."""
    return {
        "schema": SCHEMA,
        "code": code_hash(RACING),
        "builds": builds(),
        "packages": {package: _installed(package) for package in PACKAGES},
    }


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def path(folder: Path, problem: str, threads: int) -> Path:
    """The file of a problem on this machine."""
    here = hashlib.sha256(machine("cpu").encode()).hexdigest()[:8]
    return folder / f"{problem}--{threads}-threads--{here}.json"


def measured(
    folder: Path,
    problem: str,
    threads: int,
    contenders: Iterable[str],
    repeats: int,
    budget: float,
    versions: Mapping[str, str] = MappingProxyType({}),
) -> bool:
    """Whether a record of the same code and packages has at least these contenders, in these versions where they are
    plug-ins, and rounds."""
    try:
        known = read_record(path(folder, problem, threads), SCHEMA)
        return (
            all(known[name] == value for name, value in identity().items())
            and set(contenders) <= set(known["entries"])
            and versions.items() <= known.get("plugins", {}).items()
            and known["repeats"] >= repeats
            and known["budget"] == budget
        )
    except (OSError, ValueError, LookupError, TypeError):
        return False


def write(folder: Path, result: dict[str, Any]) -> Path:
    """Store a result with where and when it was measured."""
    threads = result["threads"]
    measured_on = {"environment": environment("cpu"), "calibration": calibration("cpu", "float64", threads)}
    target = path(folder, result["problem"], threads)
    write_record(target, identity() | provenance() | measured_on | result)
    return target


def read(folder: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The results of a folder, and the files that hold none, with the reason."""
    return read_records(folder, read_file, "peers")


def read_file(file: Path) -> dict[str, Any]:
    result = read_record(file, SCHEMA)
    scores(result)  # raises where something that a reader needs is missing
    return result


@dataclass(frozen=True)
class Score:
    """A contender on a problem: its fastest setting, the gap it reaches, its time, and the ratio of that to ours (in
    pairs of one round). message: why there is none of these."""

    contender: str
    setting: str
    gap: float
    iterations: int | None
    seconds: Interval
    ratio: Interval
    message: str

    @property
    def library(self) -> str:
        return self.contender.split(":")[0]

    @property
    def ours(self) -> bool:
        return self.library == "hessbench"


def reference(result: dict[str, Any]) -> str | None:
    """The fastest of our solvers that reaches the gap, to which all times are compared."""
    ours = {
        name: float(np.median(entry["seconds"]))
        for name, entry in result["entries"].items()
        if name.startswith("hessbench:") and entry["status"] == REACHED
    }
    return min(ours, key=ours.__getitem__, default=None)


def scores(result: dict[str, Any]) -> list[Score]:
    """The contenders on a problem, the fastest first, those without a time last."""
    entries, ours = result["entries"], reference(result)
    rows = []
    for name, entry in entries.items():
        if entry["status"] != REACHED:
            message = f"{entry['status']}: {entry['message']}" if entry["message"] else entry["status"]
            rows.append(Score(name, "", math.nan, None, Interval(), Interval(), message))
            continue
        best, seconds = entry["best"], entry["seconds"]
        layout = f"{best['layout'].replace('csr', 'CSR')}, " if result["density"] < 1 else ""
        setting = f"{layout}{best['dtype']}, {best['tolerance']:.0e}"
        pairs = [theirs / own for theirs, own in zip(seconds, entries[ours]["seconds"], strict=False)] if ours else []
        timing, ratio = (median_interval(sample, seed=SEED) for sample in (seconds, pairs))
        rows.append(Score(name, setting, best["gap"], best["iterations"], timing, ratio, ""))
    return sorted(rows, key=lambda row: (row.seconds.median != row.seconds.median, row.seconds.median))


@dataclass(frozen=True)
class Standing:
    """The best solver of ours, the best peer and the best of scikit-learn on one problem; None where none reaches the
    gap."""

    problem: str
    ours: str | None
    peer: Score | None
    scikit_learn: Score | None

    @property
    def verdict(self) -> str:
        """won, lost, or undecided where the interval of the ratio (the median, of few rounds) contains 1."""
        if self.peer is None or self.ours is None:
            return "undecided" if self.peer is self.ours else "lost" if self.peer else "won"
        ratio = self.peer.ratio
        low, high = (ratio.median, ratio.median) if math.isnan(ratio.low) else (ratio.low, ratio.high)
        return "won" if low > 1 else "lost" if high < 1 else "undecided"


def standing(result: dict[str, Any]) -> Standing:
    rows = [row for row in scores(result) if not row.ours and not row.message]
    scikit_learn = [row for row in rows if row.library == "scikit-learn"]
    return Standing(
        result["problem"], reference(result), rows[0] if rows else None, scikit_learn[0] if scikit_learn else None
    )


def geometric_mean(ratios: Iterable[float]) -> float:
    """NaN of none."""
    known = [ratio for ratio in ratios if ratio == ratio]
    return math.exp(sum(map(math.log, known)) / len(known)) if known else math.nan
