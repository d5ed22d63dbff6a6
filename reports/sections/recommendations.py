"""Whether following the recommendations would have paid."""

from __future__ import annotations

from pathlib import Path

from ..data.repeats import without_constant
from ..data.runs import Runs
from ..data.targets import GAP
from ..page.section import Section, SectionWriter
from ..page.sources import Sources
from ..recommend.experience import experience
from ..recommend.lines import check_lines
from ..recommend.regret import regret, too_few
from ..tables.record import Table
from ..text import distinct, sentence

NAME, TITLE = "recommend", "Do the recommendations pay?"
REGRET = Table("regret", regret)


def recommendation_section(runs: Runs, out: Path, sources: Sources | None = None) -> Section:
    """The regret of recommendations."""
    writer = SectionWriter(NAME, TITLE, out, sources)
    cells = experience(runs, GAP)
    table = regret(cells)
    if reason := too_few(table):
        return writer.section(sentence(reason))
    shown = without_constant(table, "machine", "device", "dtype", "threads")
    writer.table(REGRET, shown, before=f"To a relative gap of {GAP:g}.")
    where = "; ".join(distinct(table[name]) for name in ("machine", "device", "dtype"))
    note = f"{'. '.join(check_lines(cells, table))}. {where}; threads: {distinct(table['threads'])}"
    return writer.section(sentence(note))
