"""The HTML page: everything inline, every string from outside escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from datasets.problems import summary

from .findings import findings
from .load import Runs, distinct


@dataclass(frozen=True)
class Shown:
    """A table or a figure as the page shows it."""

    name: str
    title: str
    caption: str
    html: str


@dataclass(frozen=True)
class Section:
    """A heading with, where they are there, a table and its caption, figures, and a note of what is missing."""

    name: str
    title: str
    caption: str
    table: str
    figures: Sequence[Shown]
    note: str


def page(runs: Runs, tables: list[Shown], figures: dict[str, list[Shown]], sections: Sequence[Section] = ()) -> str:
    """The HTML page: everything inline, every string escaped."""
    templates = Environment(loader=PackageLoader("reports", "."), autoescape=True, undefined=StrictUndefined)
    frame = runs.frame
    return templates.get_template("page.html").render(
        findings=findings(frame),
        tables=tables,
        figures=figures,
        sections=sections,
        summaries={name: summary(name) for name in figures},
        runs=frame["run"].nunique(),
        repeats=distinct(frame.groupby(["problem", "label", "dtype", "device", "threads"])["repeat"].nunique()),
        machines=sorted(frame["machine"].unique()),
        dates=(frame["date"].min(), frame["date"].max()),
        commits=distinct(frame["commit"].where(frame["commit"] != "", "not in git")),
        code=distinct(frame["code_version"].str[:12]),
        devices=distinct(frame["device"]),
        threads=distinct(frame["threads"]),
        skipped=runs.skipped,
        older=runs.older,
    )
