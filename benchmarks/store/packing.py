"""Finished runs folded into one file a suite: a store of thousands of runs stays quick to open and to copy."""

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

OTHER = "other"  # the suite of runs that belong to none


def pack(store: Store) -> tuple[dict[str, int], dict[str, str]]:
    """Fold the runs that have a file of their own into the pack of their suite; only for who is alone in the folder.

    A pack is written and read back before the first of those files goes, so that whatever ends this leaves each run
    at least once; readers take a run that is there twice from the pack. Returns how many runs each pack took, and the
    files that hold no runs, with the reason: these are left as they are.
    """
    stored = read(store.folder)
    if stored.table is None:
        return {}, stored.skipped
    done = frozenset().union(*map(packed, store.packs()))
    loose = {run for run in stored.metadata if run not in done}
    taken = {}
    for suite, runs in by_suite(stored.table, loose).items():
        target = free_name(store.folder, suite, stored.skipped)
        together = runs | (packed(target) & stored.metadata.keys())
        write_table(target, *folded(stored, together), **{LIST: " ".join(sorted(together))})
        if read(store.folder).metadata.keys() != stored.metadata.keys() or packed(target) != together:
            raise OSError(f"{target.name} does not read back as it was written: nothing was removed")
        taken[target.name] = len(runs)
    for run in packed_files(store):
        run.unlink(missing_ok=True)
    return taken, stored.skipped


def packed_files(store: Store) -> list[Path]:
    """The files of runs that are in a pack too."""
    runs = frozenset().union(*map(packed, store.packs()))
    return [path for path in store.folder.glob(f"*{SUFFIX}") if path.stem in runs]


def by_suite(table: pa.Table, runs: set[str]) -> dict[str, set[str]]:
    """Runs by the first suite that has their case."""
    suite_of = {case.key: name for name in reversed(SUITES) for case in SUITES[name]()}
    found: dict[str, set[str]] = defaultdict(set)
    pairs = table.select(["run", "case"]).group_by(["run", "case"]).aggregate([]).to_pylist()
    for pair in pairs:
        if pair["run"] in runs:
            found[suite_of.get(pair["case"], OTHER)].add(pair["run"])
    return dict(sorted(found.items()))


def free_name(folder: Path, suite: str, skipped: dict[str, str]) -> Path:
    """The pack of a suite; another one where that is damaged: it may still be mended."""
    names = (f"{PACK}{suite}{ending}{SUFFIX}" for ending in ("", *(f"-{k}" for k in range(2, len(skipped) + 3))))
    return folder / next(name for name in names if name not in skipped)


def folded(stored: Stored, runs: set[str]) -> tuple[pa.Table, dict[str, Any]]:
    """The rows of these runs, and what their files said of them; environments that are the same are told once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    shared: dict[str, Any] = {}
    about = {}
    for run in sorted(runs):
        known = dict(stored.metadata[run])
        words = json.dumps(known.get("environment"), sort_keys=True)
        name = hashlib.sha256(words.encode()).hexdigest()[:12]
        shared[name] = known.get("environment")
        about[run] = known | {"environment": name}
    table = stored.table.filter(pc.is_in(stored.table["run"], pa.array(sorted(runs))))
    return table, {"schema": SCHEMA, "shared": shared, "runs": about}
