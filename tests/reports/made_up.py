"""Runs that are made up: a frame as `load` gives it, of two iterates a run, with the columns that a test is about."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa

from benchmarks.store.parquet import SCHEMA, constant_columns, write_table
from reports.comparing.selection import Sides
from reports.data.runs import tell_apart

HOST = "A CPU, 4 cores"
GPU = f"A GPU, driver 1; {HOST}"
NOISE = (0.98, 0.99, 1.0, 1.0, 1.01, 1.02)


def run(problem="iris", solver="newton", seconds=1.0, *, repeat=0, settings=(), **other) -> dict:
    """A run of two iterates: its start with f = 1 and a gap of 1, and its end."""
    known = {
        **{"commit": "aaaa00000000", "code_version": "1", "machine": HOST, "date": "2026-01-01", "problem": problem},
        **{"solver": solver, "label": solver, "case": "c", "rules": "gap 1e-10", "dtype": "float64", "device": "cpu"},
        **{"threads": 1, "repeat": repeat, "status": "converged", "no_gap": "", "minimiser": True, "gap": 1e-9},
        **{"value": 0.5, "iterations": 10, "total_seconds": seconds, "settings": dict(settings)},
    } | other
    identity = json.dumps([str(known[name]) for name in sorted(known)])
    return known | {"run": hashlib.sha256(identity.encode()).hexdigest()[:20]}


def frame(*runs: dict) -> pd.DataFrame:
    return frames(*runs)[0]


def frames(*runs: dict) -> tuple[pd.DataFrame, dict]:
    rows = []
    for one in runs:
        same = {name: value for name, value in one.items() if name not in ("iterations", "settings")}
        end = {"iteration": one["iterations"], "seconds": one["total_seconds"]}
        rows += [same | {"iteration": 0, "seconds": 0.0, "value": 1.0, "gap": 1.0}, same | end]
    frame = pd.DataFrame(rows)
    return tell_apart(frame), {one["run"]: {"case": {"settings": one["settings"]}} for one in runs}


def repeats(seconds: float = 1.0, **other) -> list[dict]:
    return [run(seconds=seconds * noise, repeat=repeat, **other) for repeat, noise in enumerate(NOISE)]


def pair(kind: str, a: list[dict], b: list[dict]) -> Sides:
    (first, known), (second, more) = frames(*a), frames(*b)
    return Sides(kind, ("a", "b"), (first, second), known | more)


def stored(folder: Path, *runs: dict) -> Path:
    """The runs as files, as the store writes them."""
    folder.mkdir(exist_ok=True)
    for one in runs:
        frame, metadata = frames(one)
        table = pa.Table.from_pandas(frame.drop(columns="plain_label"), preserve_index=False)
        about = {"schema": SCHEMA, "constant": constant_columns(table.to_pylist())} | metadata[one["run"]]
        write_table(folder / f"{one['run']}.parquet", table, about)
    return folder
