"""Reports of convergence on hard problems: the verdicts of `python -m benchmarks honesty`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks.audit.verdicts import false_claims, read, summary

from ..data.provenance import distinct, when
from ..page.section import Section
from ..page.table import html_table
from ..page.words import folding
from ..page.write import caption, write_table

FALSE_ONES = "hard-cases-false"
NAME, TITLE = "hard-cases", "Reports of convergence on hard problems, with other libraries"
MAKE = "There are no verdicts: `python -m benchmarks honesty` fits the hard problems with every solver and every peer."


def hard_case_sections(path: Path, out: Path) -> list[Section]:
    """The section, from a file that need not be there; tables go below `out`."""
    try:
        frame = read(path)
    except ValueError as error:
        return [Section(NAME, TITLE, "", "", (), str(error))]
    if frame.empty:
        return [Section(NAME, TITLE, "", "", (), MAKE)]
    table, false, behind = summary(frame), false_claims(frame), provenance(frame)
    write_table(table, f"{caption(summary)} {behind}", out / "tables" / NAME)
    tables = html_table(table, label=TITLE)
    if len(false):
        write_table(false, f"{caption(false_claims)} {behind}", out / "tables" / FALSE_ONES)
        tables += f'<div class="soft">{folding(caption(false_claims))}</div>' + html_table(
            false, label="False reports of convergence"
        )
    return [Section(NAME, TITLE, f"{caption(summary)} {behind}", tables, (), "")]


def provenance(frame: pd.DataFrame) -> str:
    """How many cases of each model, where, when and of which commit."""
    cases = "; ".join(
        f"{len(some)} {model} cases, {some['minimiser'].sum()} with a minimiser"
        for model, some in frame.drop_duplicates("case").groupby("model")
    )
    return f"{cases}. Asked on {distinct(frame['machine'].unique())}; {when(frame[['date', 'commit']])}."
