"""Who tells the truth on hard problems: the verdicts of `python -m benchmarks honesty`, ours beside the peers'."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks.honesty_store import lies, read, summary

from .page import Section
from .provenance import distinct, when
from .write import caption, html_table, write_table

NAME, TITLE = "hard-cases", "Who tells the truth: hard problems, with other libraries"
MAKE = "no answers have been judged here: `python -m benchmarks honesty` asks every solver and every peer"


def hard_case_sections(path: Path, out: Path) -> list[Section]:
    """The section, from a file that need not be there; tables go below `out`."""
    frame = read(path)
    if frame.empty:
        return [Section(NAME, TITLE, "", "", (), MAKE)]
    table, false = summary(frame), false_claims(frame)
    write_table(table, caption(summary), out / "tables" / NAME)
    tables = html_table(table)
    if len(false):
        write_table(false, caption(false_claims), out / "tables" / f"{NAME}-false")
        tables += f'<p class="soft">{caption(false_claims)}</p>' + html_table(false)
    return [Section(NAME, TITLE, f"{caption(summary)} {provenance(frame)}", tables, (), "")]


def false_claims(frame: pd.DataFrame) -> pd.DataFrame:
    """The cases on which a claim was false, by contender, with the largest gap at which success was claimed."""
    rows = [
        {"contender": contender, "dtype": dtype, "largest gap": f"{cell['gap'].max():.1e}"}
        | {"cases": ", ".join(sorted(cell["case"]))}
        for (contender, dtype), cell in lies(frame).groupby(["contender", "dtype"], sort=False)
    ]
    return pd.DataFrame(rows)


def provenance(frame: pd.DataFrame) -> str:
    """How many cases, where, when and of which commit."""
    cases = f"{frame['case'].nunique()} cases, {frame.drop_duplicates('case')['minimiser'].sum()} with a minimiser"
    return f"{cases}. Asked on {distinct(frame['machine'].unique())}; {when(frame[['date', 'commit']])}."
