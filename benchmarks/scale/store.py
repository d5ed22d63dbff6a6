"""Sessions on disk: one Parquet file for each machine, size, and list of processes, solvers and networks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.folders import RESULTS

from ..runner.environment import builds, calibration, machine, provenance
from ..store.parquet import SCHEMA, UnreadableError, opened, write_table
from .session import Plan, Session

if TYPE_CHECKING:
    import pandas as pd

SCALE = RESULTS / "scale"


@dataclass(frozen=True)
class Measured:
    """frame: a row a run (what: fit), a sum (sum) or a reading of memory's bandwidth (triad); the columns are those of
    session.py. potrf: GFLOP/s of a Cholesky factorisation. left_out: networks that were not there, with the reason."""

    frame: pd.DataFrame
    plan: Plan
    machine: str
    date: str
    commit: str
    potrf: float
    left_out: dict[str, str] = field(default_factory=dict)


def path(plan: Plan, folder: Path) -> Path:
    """The file of a plan on this machine: a later session replaces it."""
    asked = {name: value for name, value in asdict(plan).items() if name != "repeats"}
    identity = json.dumps([asked, machine("cpu")], sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
    return folder / f"{plan.n}x{plan.d}--{max(plan.processes)}-processes--{digest}.parquet"


def save(session: Session, folder: Path) -> Path:
    """Write a session in place of an earlier one of the same plan."""
    import pyarrow as pa

    about = provenance() | {"builds": builds(), "potrf_gflops": calibration("cpu", "float64", 1)["potrf_gflops"]}
    about |= {"schema": SCHEMA, "plan": asdict(session.plan), "left_out": session.left_out}
    file = path(session.plan, folder)
    names = list(dict.fromkeys(name for row in session.rows for name in row))
    table = pa.table({name: [row.get(name) for row in session.rows] for name in names})
    write_table(file, table, about)
    return file


def read(file: Path) -> Measured:
    """Raises UnreadableError, OSError, and what pyarrow raises."""
    with opened(file) as (content, about):
        frame = content.read().to_pandas()
    if "plan" not in about:
        raise UnreadableError("not written by `python -m benchmarks scale`")
    known: dict[str, Any] = {name: about["plan"][name] for name in ("n", "d", "repeats")}
    known |= {name: tuple(about["plan"][name]) for name in ("processes", "solvers", "networks")}
    origin = {name: about[name] for name in ("machine", "date", "commit", "left_out")}
    return Measured(frame, Plan(**known), potrf=about["potrf_gflops"], **origin)


def load(folder: Path) -> tuple[list[Measured], dict[str, str]]:
    """The sessions of a folder, which need not exist, the newest first; and the files that hold none, with the
    reason."""
    from pyarrow import ArrowException

    found, skipped = [], {}
    for file in sorted(folder.glob("[!.]*.parquet")):
        try:
            found.append(read(file))
        except (OSError, ValueError, LookupError, TypeError, ArrowException) as error:
            skipped[file.name] = str(error).splitlines()[0] if str(error) else type(error).__name__
    return sorted(found, key=lambda measured: measured.date, reverse=True), skipped
