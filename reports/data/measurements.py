"""What asv and pytest-benchmark measured, as one long frame: one measured quantity a row.

A table is a selection and a `groupby` (with dropna=False: what a tool does not know is missing). The columns:

- source: asv or pytest-benchmark; file: its name.
- commit: 12 digits, with + where the working tree differed. date: of the commit (UTC, ISO 8601); measured: when.
- machine: CPU, cores, and what is known of a GPU; host: asv's own name of it. environment, python, torch.
- benchmark, and its version where it has one; group (pytest-benchmark). parameters: all as one text, and each in a
  column of its own: solver, problem, dtype, device, threads, gap, and others as they come, with `parameter ` before the
  name where it would be one of these columns.
- quantity (time, iterations, peak memory, ...) in unit.
- statistic: `value`, one observation, whose place in a series is `repeat`; or `median`, by the tool, of so many
  `samples` (seconds a call), with the quartiles q_25 and q_75. A timed asv cell is one median, and its samples as
  values where they were recorded. pytest-benchmark's are medians, and the numbers that a benchmark noted.
- low to high is the confidence interval of a median: `interval` is `99 %` (asv) or `95 %` (noted by a benchmark).
- status: ok; failed: it raised, was killed, or could not be built; n/a: the benchmark declined (a device or solver that
  is not there) or the target was not reached. The value of both is NaN. A value may be infinite.
"""

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
    *("status", "file"),
)
PARAMETERS = {"solver", "problem", "dtype", "device", "threads", "gap"}  # those that both tools share
COUNTS = ("threads", "repeat", "samples")
NUMBERS = (*COUNTS, "gap", "value", "low", "high", "q_25", "q_75")
ORDER = ["source", "benchmark", "parameters", "machine", "host", "environment", "date", "commit", "measured", "file"]
SECONDS = {"seconds": "s"}  # the units of asv, as the rest of the reports write them
DIGITS = 12  # of a commit


@dataclass(frozen=True)
class Measurements:
    """frame: with the columns above. skipped: files that could not be read, with the reason.

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
