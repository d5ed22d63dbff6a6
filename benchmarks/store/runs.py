"""One file a run, named by the hash of what determines the run. Finished runs may be packed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import build
from datasets.folders import RESULTS
from solvers.common.files import PARTIAL, written_whole

from ..runner.disturbance import is_disturbed, processor_tick
from ..runner.environment import builds, calibration, code_version, environment, machine, provenance
from ..runner.measure import Measurement, evaluate
from ..runner.suites import Case
from .parquet import SCHEMA, constant_columns, write_table

if TYPE_CHECKING:
    pass

DEFAULT = RESULTS / "runs"
MEASURED = 2  # the schema since which runs are measured as they are now: later ones only store them differently
SUFFIX = ".parquet"
PACK = "pack-"  # how the names of files with many runs begin
LIST = "hessbench-runs"  # the entry of a pack's metadata that names its runs
MAGIC = b"PAR1"  # how a Parquet file ends
ROOM = 2**20  # bytes: more than any run takes


def run_key(case: Case, repeat: int, data: str = "") -> str:
    """The hash of everything that determines a run: 20 hexadecimal digits, the name of its file. data: the checksum of
    its problem, where that has no name to be found by."""
    identity = case.describe() | {
        "schema": MEASURED,
        "data": data or build(case.problem).checksum,
        "seed": 0,
        "repeat": repeat,
        "code": code_version(),
        "machine": machine(case.device),
        "builds": builds(),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:20]


class Store:
    """A folder of runs. Several processes may write to it at once: a file appears as a whole, under its final name."""

    def __init__(self, folder: Path | str = DEFAULT) -> None:
        self.folder = Path(folder)

    def prepare(self) -> None:
        """Make the folder and write as much as a run may take, so that an OSError is raised before any work."""
        probe = self.folder / f".probe.{os.getpid()}"
        with written_whole(probe) as file:
            file.write(bytes(ROOM))
        probe.unlink()

    def remove_partial_files(self) -> None:
        """Remove what killed processes left half-written. No other process may use the folder."""
        for path in self.folder.glob(f".*{PARTIAL}"):
            path.unlink(missing_ok=True)

    def keys(self) -> set[str]:
        """The runs that are stored: by the names of files, and by the list in the metadata of each pack."""
        names = [path.stem for path in self.folder.glob(f"*{SUFFIX}") if not path.name.startswith(".")]
        return {name for name in names if not name.startswith(PACK)}.union(*map(packed, self.packs()))

    def packs(self) -> list[Path]:
        """The files that hold many runs each."""
        return sorted(self.folder.glob(f"{PACK}*{SUFFIX}"))

    def missing(self, keys: Iterable[str]) -> set[str]:
        """Those of the runs that are neither packed nor in a complete file."""
        done = frozenset().union(*map(packed, self.packs()))
        return {key for key in keys if key not in done and not self.readable(key)}

    def readable(self, key: str) -> bool:
        """Whether the file of a run is complete to its last bytes: one that was cut off by a copy is not."""
        try:
            with open(self.folder / f"{key}{SUFFIX}", "rb") as file:
                file.seek(-len(MAGIC), os.SEEK_END)
                return file.read() == MAGIC
        except OSError:
            return False

    def write(self, key: str, measurement: Measurement) -> Path:
        """Store a run that was measured here."""
        return self.write_rows(key, measurement.case, evaluate(measurement))

    def write_rows(self, key: str, case: Case, rows: list[dict[str, Any]], *, disturbed: bool = False) -> Path:
        """Store the rows of a run. disturbed: whether another process measured at the same time; the run is also
        marked so where other work disturbed it."""
        import pyarrow as pa

        origin = {"run": key, **provenance(case.device), "disturbed": disturbed or was_disturbed(rows, case)}
        rows = [origin | row for row in rows]
        about: dict[str, Any] = {
            "schema": SCHEMA,
            "case": case.describe(),
            "environment": environment(case.device),
            "calibration": calibration(case.device, case.dtype, case.threads),
            "constant": constant_columns(rows),
        }
        path = self.folder / f"{key}{SUFFIX}"
        write_table(path, pa.Table.from_pylist(rows), about)
        return path


def was_disturbed(rows: list[dict[str, Any]], case: Case) -> bool:
    """Whether other work on the machine disturbed a run, by its own columns."""
    return is_disturbed(rows[0], case.device, processor_tick())


def packed(path: Path) -> frozenset[str]:
    """The runs in a pack, by the list at its end; none where it cannot be read."""
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        return frozenset()
    return _listed(path, stamp)


@lru_cache(maxsize=64)
def _listed(path: Path, stamp: int) -> frozenset[str]:
    import pyarrow.parquet as pq

    try:
        listed = (pq.read_metadata(path).metadata or {}).get(LIST.encode(), b"")
    except (OSError, ValueError):  # pyarrow's errors are both
        return frozenset()
    return frozenset(listed.decode("ascii", "replace").split())
