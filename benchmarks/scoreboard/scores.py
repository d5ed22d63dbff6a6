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
SCHEMA = 2
RACING = (*MEASURING, *(f"benchmarks/scoreboard/{name}.py" for name in ("beforehand", "contenders", "sweep", "timing")))
PACKAGES = (
    "scikit-learn",
    "scipy",
    "glum",
    "snapml",
    "optimistix",
    "jax",
    "pyspark",
    "dask-ml",
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
    scores(result), result["on_our_objective"]  # raises where something that a reader needs is missing
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
