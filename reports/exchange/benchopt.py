"""Stored runs as a result file of benchopt: what `benchopt plot BENCHMARK -f FILE` draws.

One row is one point of a curve, as benchopt's runner writes it: dataset_name, objective_name, solver_name, idx_rep,
stop_val (here the iteration), time in seconds, and a column objective_NAME for each quantity. Columns p_solver_NAME are
parameters, and the others describe the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from solvers.common.files import written_whole

OBJECTIVE = "hessbench"
DESCRIPTION = (
    "objective_value: the training objective f at an iterate, in float64 and off the clock. objective_gap: f minus the "
    "certified minimum, where there is a certificate. time: of hessbench's clock."
)
METADATA = b"_meta_json"  # the key under which benchopt keeps how a file is to be drawn: here it is left to benchopt
QUANTITIES = {  # benchopt's column: ours
    **{"objective_value": "value", "objective_gap": "gap", "objective_gradient_norm": "gradient_norm"},
    **{"objective_test_loss": "test_loss", "objective_test_accuracy": "test_accuracy"},
}
SETUP = ("dtype", "device", "threads", "machine")  # part of a solver's name where they differ within a file


def to_benchopt(frame: pd.DataFrame, metadata: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """The rows of a result file, in the order of the runs. Left out are iterates without a value, as of a run that
    raised an error: benchopt has no rows for failures."""
    frame = frame[frame["value"].notna()].reset_index(drop=True)
    names = solver_names(frame)
    repeat = frame["run"].groupby([frame["problem"], names], sort=False).transform(lambda runs: pd.factorize(runs)[0])
    rows = pd.DataFrame(
        {
            "objective_name": OBJECTIVE,
            "obj_description": DESCRIPTION,
            "solver_name": names,
            "solver_description": frame["rules"].astype(str),
            "dataset_name": frame["problem"].astype(str),
            "idx_rep": repeat.astype("int64"),
            "sampling_strategy": "Iteration",
            "stop_val": frame["iteration"].astype("int64"),
            "time": frame["seconds"].astype(float),
        }
    )
    found = {name: frame[ours].astype(float) for name, ours in QUANTITIES.items() if ours in frame}
    rows = rows.assign(**{name: column for name, column in found.items() if column.notna().any()})
    rows = rows.assign(**{f"p_solver_{name}": frame[name] for name in ("dtype", "device", "threads")})
    about = pd.DataFrame.from_records([machine_columns(metadata[run]) for run in frame["run"]], index=frame.index)
    about = about.assign(**{"system-processor": frame["machine"], "env-OMP_NUM_THREADS": frame["threads"].astype(str)})
    return pd.concat([rows, about.assign(run_date=frame["date"].astype(str))], axis=1)


def solver_names(frame: pd.DataFrame) -> pd.Series:
    """lbfgs, or lbfgs[dtype=float32,threads=2] with what is not the same in all rows: benchopt groups by this name."""
    varying = [name for name in SETUP if name in frame and frame[name].nunique() > 1]
    labels = frame["label"].astype(str)
    if not varying:
        return labels
    parts = [f"{name}=" + frame[name].astype(str) for name in varying]
    return labels + "[" + parts[0].str.cat(parts[1:], sep=",") + "]"


def machine_columns(about: Mapping[str, Any]) -> dict[str, str]:
    """What benchopt's page shows of a machine, from the metadata of a run."""
    built = about.get("environment") or {}
    system, _, architecture = str(built.get("system", "")).partition(" ")
    cores = str(built.get("machine", "")).rpartition(", ")[2].removesuffix(" cores")
    packages = built.get("packages") or {}
    return {
        **{"platform": system, "platform-release": "", "platform-architecture": architecture, "system-cpus": cores},
        "system-ram (GB)": str(built.get("memory_gib", "")),
        **{f"version-{name}": str(packages.get(name, "")) for name in ("numpy", "scipy", "torch")},
        "version-cuda": str(built.get("cuda") or ""),
    }


def write(rows: pd.DataFrame, path: Path) -> None:
    """Write a result file as a whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(rows.replace([np.inf, -np.inf], np.nan), preserve_index=False)
    with written_whole(path) as file:
        pq.write_table(table.replace_schema_metadata({METADATA: b"{}", **(table.schema.metadata or {})}), file)
