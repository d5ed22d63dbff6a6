"""Finished runs combined into one file per suite: a store of thousands of runs stays quick to open and to copy."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runner.suites import SUITES
from .parquet import SCHEMA, write_table
from .reading import Stored, read
from .runs import LIST, PACK, SUFFIX, Store, packed

if TYPE_CHECKING:
    import pyarrow as pa

OTHER = "other"  # the pack of runs that belong to no suite


def pack(store: Store) -> tuple[dict[str, int], dict[str, str]]:
    """Add the runs that have a file of their own to the pack of their suite. No other process may use the folder.

    A pack is written and read back before the first of those files is removed: an interruption leaves each run at least
    once, and readers take a run that is there twice from the pack. Returns how many runs each pack gained, and the
    unreadable files, which stay as they are, with the reason.
    """
    stored = read(store.folder)
    if stored.table is None:
        return {}, stored.skipped
    done = frozenset().union(*map(packed, store.packs()))
    loose = {run for run in stored.metadata if run not in done}
    gained = {}
    for suite, runs in by_suite(stored.table, loose).items():
        target = free_name(store.folder, suite, stored.skipped)
        together = runs | (packed(target) & stored.metadata.keys())
        write_table(target, *combined(stored, together), **{LIST: " ".join(sorted(together))})
        if read(store.folder).metadata.keys() != stored.metadata.keys() or packed(target) != together:
            raise OSError(f"{target.name} does not read back as it was written: nothing was removed")
        gained[target.name] = len(runs)
    for run in packed_files(store):
        run.unlink(missing_ok=True)
    return gained, stored.skipped


def packed_files(store: Store) -> list[Path]:
    """The files of single runs that are in a pack too."""
    runs = frozenset().union(*map(packed, store.packs()))
    return [path for path in store.folder.glob(f"*{SUFFIX}") if path.stem in runs]


def by_suite(table: pa.Table, runs: set[str]) -> dict[str, set[str]]:
    """Runs by the first suite that contains their case."""
    suite_of = {case.key: name for name in reversed(SUITES) for case in SUITES[name]()}
    found: dict[str, set[str]] = defaultdict(set)
    pairs = table.select(["run", "case"]).group_by(["run", "case"]).aggregate([]).to_pylist()
    for pair in pairs:
        if pair["run"] in runs:
            found[suite_of.get(pair["case"], OTHER)].add(pair["run"])
    return dict(sorted(found.items()))


def free_name(folder: Path, suite: str, skipped: dict[str, str]) -> Path:
    """The pack of a suite; a new one if that is damaged, so that it may still be repaired."""
    names = (f"{PACK}{suite}{ending}{SUFFIX}" for ending in ("", *(f"-{k}" for k in range(2, len(skipped) + 3))))
    return folder / next(name for name in names if name not in skipped)


def combined(stored: Stored, runs: set[str]) -> tuple[pa.Table, dict[str, Any]]:
    """The rows of these runs and their metadata, with each environment stored once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    shared: dict[str, Any] = {}
    about = {}
    for run in sorted(runs):
        known = stored.metadata[run]
        encoded = json.dumps(known.get("environment"), sort_keys=True)
        name = hashlib.sha256(encoded.encode()).hexdigest()[:12]
        shared[name] = known.get("environment")
        about[run] = known | {"environment": name}
    table = stored.table.filter(pc.is_in(stored.table["run"], pa.array(sorted(runs))))
    return table, {"schema": SCHEMA, "shared": shared, "runs": about}
