"""One measured quantity a row: the columns that runs, asv and pytest-benchmark share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import pandas as pd

COLUMNS = (
    *("source", "commit", "date", "measured"),
    *("machine", "host", "environment", "python", "torch"),
    *("benchmark", "version", "group", "parameters", "solver", "problem", "dtype", "device", "threads", "gap"),
    *("quantity", "unit", "statistic", "repeat", "value", "low", "high", "interval", "q_25", "q_75", "samples"),
    *("status", "reason", "file"),
)
PARAMETERS = {"solver", "problem", "dtype", "device", "threads", "gap"}  # those that all tools share
COUNTS = ("threads", "repeat", "samples")
NUMBERS = (*COUNTS, "gap", "value", "low", "high", "q_25", "q_75")
ORDER = ["source", "benchmark", "parameters", "machine", "host", "environment", "date", "commit", "measured", "file"]
SECONDS = {"seconds": "s"}  # the units of asv, as the rest of the reports write them
DIGITS = 12  # of a commit


@dataclass(frozen=True)
class Measurements:
    """frame: the columns are those of `measurements`. skipped: files that could not be read, with the reason.

    older: results of benchmarks that have changed since (another version, other axes) or are gone, by benchmark: how
    many files held one.
    """

    frame: pd.DataFrame
    skipped: dict[str, str] = field(default_factory=dict)
    older: dict[str, int] = field(default_factory=dict)


def tidy(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a frame with all columns, sorted; the columns of further parameters come last."""
    frame = pd.DataFrame.from_records(list(rows))
    others = [name for name in frame.columns if name not in COLUMNS]
    frame = frame.reindex(columns=[*COLUMNS, *others])
    for name in NUMBERS:
        frame[name] = pd.to_numeric(frame[name]).astype("Int64" if name in COUNTS else float)
    texts = [name for name in COLUMNS if name not in NUMBERS]
    frame[texts] = frame[texts].astype(object).where(frame[texts].notna(), None)
    return frame.sort_values([*ORDER, "quantity", "statistic", "repeat"], kind="stable", ignore_index=True)


def cpu(model: str | None, cores: int | str | None) -> str:
    """A machine in words, as the runs describe theirs."""
    return (model or "unknown CPU") + (f", {cores} cores" if cores else "")


def parameter_columns(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Each parameter under a name that is no other column's, and all of them as one text."""
    plain = {name: value if isinstance(value, (str, Real)) else str(value) for name, value in parameters.items()}
    named = {
        f"parameter {name}" if name in COLUMNS and name not in PARAMETERS else name: value
        for name, value in plain.items()
    }
    text = ", ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in plain.items()
    )
    return named | {"parameters": text}
