"""A section of the page: each of its tables and figures is written to its files when it is added."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from ..tables.record import Table
from .curves import curves
from .drawing import write_figure
from .sources import Sources
from .table import html_table, ranked
from .words import folding
from .write import write_table

ACROSS, TABLES_GROUP, FIGURES_GROUP = "Across problems", "Tables", "Figures"  # groups in the contents


@dataclass(frozen=True)
class Shown:
    """A figure as the page shows it. drawn: waits until it is drawn, and gives its SVG; source: the line, in HTML, that
    names the runs behind it; about: what these runs are of, as JSON; curves: its lines as numbers."""

    name: str
    title: str
    caption: str
    drawn: Callable[[], str]
    source: str = ""
    about: str = ""
    curves: dict[str, Any] | None = None

    @property
    def html(self) -> str:
        return self.drawn().replace("<svg ", f'<svg role="img" aria-label="{escape(self.title)}" ', 1)


@dataclass(frozen=True)
class Section:
    """A heading with, where they are there, tables and the caption of the first, figures, and a note.

    group: the heading it stands under in the contents. folded: whether a click opens its figures.
    """

    name: str
    title: str
    caption: str
    table: str
    figures: Sequence[Shown]
    note: str
    group: str = ACROSS
    folded: bool = False

    @property
    def empty(self) -> bool:
        """Whether there is but a note: the page has these in one list."""
        return not self.table and not self.figures


@dataclass(frozen=True)
class Opening:
    """The first screen. verdict, trust: a sentence each. section: with one figure and one table, or with neither where
    no problem with a certified minimum was run."""

    verdict: str
    trust: str
    section: Section


class SectionWriter:
    """Collects a section, and writes its tables and figures below `out`."""

    def __init__(
        self, name: str, title: str, out: Path, sources: Sources | None = None, *, group: str = ACROSS
    ) -> None:
        self.name, self.title, self.out, self.sources, self.group = name, title, out, sources, group
        self.captions: list[str] = []
        self.tables: list[str] = []
        self.figures: list[Shown] = []

    def table(
        self,
        record: Table,
        table: pd.DataFrame,
        *,
        name: str = "",
        before: str = "",
        after: str = "",
        show: bool = True,
        shown: pd.DataFrame | None = None,
    ) -> None:
        """Write a table as the record says, and show it. before, after: words around the caption; on the page the words
        after it stand at the first table alone. shown: of a wide table the part that the page shows."""
        short = " ".join(filter(None, [before, record.caption]))
        words = f"{short} {after}".strip()
        table = ranked(table, record.best)
        write_table(table, words, self.out / "tables" / (name or record.name), self.sources)
        if show:
            self.captions.append(short if self.captions else words)
            self.tables.append(html_table(table if shown is None else shown, self.sources, record.heading))

    def figure(self, name: str, title: str, canvas: Figure, caption: str, runs: Collection[str] = (), source: str = ""):
        """Write a figure and show it. runs: the runs behind it; source: where else its numbers are from, in words."""
        known = self.sources if runs else None
        drawn = write_figure(canvas, self.out / "figures" / name, known.words(runs) if known else source)
        self.figures.append(
            Shown(
                name,
                title,
                caption,
                drawn,
                known.line(runs) if known else "",
                json.dumps(known.about(runs)) if known else "",
                curves(canvas),
            )
        )

    def section(self, note: str = "", *, caption: str = "", folded: bool = False) -> Section:
        first, *others = self.captions or [caption]
        rest = zip(others, self.tables[1:], strict=True)
        shown = "".join(
            [*self.tables[:1], *(f'<div class="soft">{folding(words)}</div>{table}' for words, table in rest)]
        )
        return Section(self.name, self.title, first, shown, self.figures, note, self.group, folded)
