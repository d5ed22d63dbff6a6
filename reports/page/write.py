"""Tables as files: CSV, Markdown and LaTeX, the same bytes for the same runs."""

from __future__ import annotations

import math
import re
from numbers import Real
from pathlib import Path
from typing import Any

import pandas as pd

from ..text import UNITS
from ..text import caption as caption  # for the sections
from .sources import Sources

DIGITS = {"test accuracy": 4, "f* from": 15, "to": 15, "margin": 3, "cond H": 2, "lambda_max(D^-1 H)": 3}
RUNS = "runs"  # the column of the runs behind a row: tuples of their keys
NUMBER = re.compile(r"(>|<|above|below)?\s*(-?\d[\d,]*(?:\.\d*)?(?:e[+-]?\d+)?)(?:\s*(us|ms|s|%))?(?=[\s,;]|$)")
NEVER = re.compile(r"never( \(.*\))?")
BEYOND = 1e100  # times what was not reached within a time: it sorts after all that was


def text(value: Any, digits: int = 5) -> str:
    """A cell for readers: significant digits, a dash for what is not there, and of runs their number."""
    if isinstance(value, tuple):
        return str(len(value))
    if isinstance(value, float):
        if math.isnan(value):
            return "-"
        return f"{value:.{digits}g}"
    return str(value)


def readable(table: pd.DataFrame, digits: int = 5) -> pd.DataFrame:
    """Every cell as text."""
    return pd.DataFrame(
        {name: [text(value, DIGITS.get(name, digits)) for value in column] for name, column in table.items()}
    )


def sort_value(value: Any) -> float:
    """The number that a cell begins with, in seconds where it is a time; `> 5 s` after all numbers, `never` after
    these; NaN for words."""
    if isinstance(value, tuple):
        return float(len(value))
    if isinstance(value, Real):
        return float(value)
    if NEVER.fullmatch(str(value)):
        return BEYOND**2
    found = NUMBER.match(str(value))
    if not found:
        return math.nan
    relation, number, unit = found.groups()
    size = float(number.replace(",", "")) * UNITS.get(unit, 1.0)
    return BEYOND * (1 + size) if relation in (">", "above") else size


def write_table(table: pd.DataFrame, words: str, stem: Path, sources: Sources | None = None) -> None:
    """stem.csv with all digits; stem.md and stem.tex (booktabs) as a reader wants them, with the caption and, in words,
    the runs behind it. Where the table has a column `runs`, the files have their number."""
    shown = readable(table)
    source = _source(table, sources)
    table.assign(**{name: shown[name] for name in shown if name == RUNS}).to_csv(stem.with_suffix(".csv"), index=False)
    markdown = f"{words}\n\n{shown.to_markdown(index=False, disable_numparse=True)}\n"
    stem.with_suffix(".md").write_text(markdown + (f"\n{source}\n" if source else ""))
    latex = (
        shown.style.hide(axis="index")
        .format(escape="latex")
        .format_index(escape="latex", axis=1)
        .to_latex(hrules=True, caption=_latex(words), label=f"tab:{stem.name}")
    )
    stem.with_suffix(".tex").write_text((f"% {source}\n" if source else "") + latex)


def _source(table: pd.DataFrame, sources: Sources | None) -> str:
    """From 160 runs on AMD EPYC, 2 cores; 2026-11-23; commit 4a5ad3b32c18. Empty where no run is behind a table."""
    keys = behind(table)
    if not keys:
        return ""
    return f"From {' '.join(sources.words(keys).split())}." if sources else f"From {len(keys)} runs."


def behind(table: pd.DataFrame) -> set[str]:
    """The keys of all runs of its column `runs`."""
    return {key for keys in table.get(RUNS, ()) for key in keys}


def _latex(words: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return re.sub(r"[\\~^&%$#_{}]", lambda found: special.get(found[0], "\\" + found[0]), words)
