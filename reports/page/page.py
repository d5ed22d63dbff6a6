"""The HTML page: everything inline, every string from outside escaped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..data.provenance import between, where
from ..data.runs import Runs
from ..findings.finding import Finding
from ..findings.findings import SHOWN
from ..text import distinct, plural
from .section import Opening, Section
from .sources import APPENDIX, Sources
from .words import code, folding

HERE = Path(__file__).parent
MISSING = "missing"  # the id of the list of what was not measured


def page(runs: Runs, first: Opening, found: Sequence[Finding], sections: Sequence[Section], sources: Sources) -> str:
    """The page as HTML."""
    templates = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
    templates.filters |= {"code": code, "folded": folding}
    frame = runs.frame
    shown = [section for section in sections if not section.empty]
    missing = [section for section in sections if section.empty and section.note]
    return templates.get_template("page.html").render(
        style=Markup((HERE / "page.css").read_text()),
        script=Markup((HERE / "page.js").read_text()),
        title=f"hessbench: {plural(frame['problem'].nunique(), 'problem')}, {between(frame['date'])}",
        first=first,
        measured=measured(runs),
        older=runs.older,
        disturbed=runs.disturbed,
        skipped=runs.skipped,
        contents=contents(found, shown, missing),
        findings=[(finding, sources.anchor(finding.runs)) for finding in found],
        best=SHOWN,
        sections=shown,
        missing=missing,
        missing_anchor=MISSING,
        appendix=APPENDIX,
        entries=sources.entries(),
    )


def measured(runs: Runs) -> dict[str, str]:
    """What was run, and on what: the first lines of the page."""
    frame = runs.frame
    repeats = frame.groupby(["machine", "problem", "label", "dtype", "device", "threads"])["repeat"].nunique()
    return {
        "solvers": plural(frame["solver"].nunique(), "solver"),
        "problems": plural(frame["problem"].nunique(), "problem"),
        "runs": plural(frame["run"].nunique(), "run"),
        "repeats": f"{distinct(repeats)} repeats a case",
        "precision": distinct(frame["dtype"]),
        "devices": distinct(frame["device"]),
        "threads": distinct(frame["threads"]),
        "where": where(frame),
    }


def contents(
    found: Sequence[Finding], sections: Sequence[Section], missing: Sequence[Section] = ()
) -> dict[str, list[tuple[str, str]]]:
    """The contents of the page, in its order: group -> (anchor, title) of each section."""
    groups = {"Summary": [("top", "At a glance"), *([("findings", "What the runs show")] if found else [])]}
    for section in sections:
        groups.setdefault(section.group, []).append((section.name, section.title))
    return groups | {"Appendix": [(MISSING, "Not measured here")] * bool(missing) + [(APPENDIX, "The runs")]}
