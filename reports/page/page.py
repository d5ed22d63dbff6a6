"""The HTML page: everything inline, every string from outside escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from datasets.registry import summary

from ..data.provenance import APPENDIX, Sources, between, distinct, many
from ..data.runs import Runs
from ..findings.findings import SHOWN
from ..findings.sentences import Finding

OPEN = 2  # problems whose figures show at once; those of the others unfold
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Shown:
    """A table or a figure as the page shows it; source: the line, in HTML, that names the runs behind a figure."""

    name: str
    title: str
    caption: str
    html: str
    source: str = ""


@dataclass(frozen=True)
class Section:
    """A heading with, where they are there, a table and its caption, figures, and a note of what is missing.

    group: the heading it stands under in the contents.
    """

    name: str
    title: str
    caption: str
    table: str
    figures: Sequence[Shown]
    note: str
    group: str = "Across problems"


def page(
    runs: Runs,
    found: Sequence[Finding],
    tables: list[Shown],
    figures: dict[str, list[Shown]],
    sections: Sequence[Section],
    sources: Sources,
) -> str:
    """The HTML page: everything inline, every string escaped."""
    templates = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
    frame = runs.frame
    return templates.get_template("page.html").render(
        style=Markup((HERE / "page.css").read_text()),
        script=Markup((HERE / "page.js").read_text()),
        title=f"hessbench: {many(frame['problem'].nunique(), 'problem')}, {between(frame['date'])}",
        measured=measured(runs),
        machines=sorted(frame["machine"].unique()),
        older=runs.older,
        disturbed=runs.disturbed,
        skipped=runs.skipped,
        contents=list(contents(found, tables, figures, sections)),
        findings=[(finding, sources.anchor(finding.runs)) for finding in found],
        best=SHOWN,
        tables=tables,
        figures=figures,
        open=OPEN,
        summaries={name: summary(name) for name in figures},
        sections=sections,
        appendix=APPENDIX,
        entries=sources.entries(),
    )


def measured(runs: Runs) -> dict[str, str]:
    """What was run, and on what: the first lines of the page."""
    frame = runs.frame
    repeats = frame.groupby(["machine", "problem", "label", "dtype", "device", "threads"])["repeat"].nunique()
    return {
        "solvers": many(frame["solver"].nunique(), "solver"),
        "problems": many(frame["problem"].nunique(), "problem"),
        "runs": many(frame["run"].nunique(), "run"),
        "repeats": f"{distinct(repeats)} repeats a case",
        "precision": distinct(frame["dtype"]),
        "devices": distinct(frame["device"]),
        "threads": distinct(frame["threads"]),
        "dates": between(frame["date"]),
        "commits": distinct(frame["commit"].where(frame["commit"] != "", "not in git")),
        "code": distinct(frame["code_version"].str[:12]),
    }


def contents(
    found: Sequence[Finding], tables: list[Shown], figures: dict[str, list[Shown]], sections: Sequence[Section]
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The contents of the page: (group, [(anchor, title)])."""
    yield "Summary", [("top", "What was run"), *([("findings", "What the runs show")] if found else [])]
    yield "Tables", [(table.name, table.title) for table in tables]
    if figures:
        yield "Figures", [(f"figures-{problem}", problem) for problem in figures]
    for group in dict.fromkeys(section.group for section in sections):
        yield group, [(section.name, section.title) for section in sections if section.group == group]
    yield "Appendix", [(APPENDIX, "The runs")]
