"""The HTML page: everything inline, every string from outside escaped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from solvers import SOLVERS

from ..data.provenance import between, where
from ..data.runs import Runs
from ..findings.finding import MISLEADS, Finding
from ..findings.findings import SHOWN
from ..text import distinct, plural
from .curves import as_json
from .section import Opening, Section
from .sources import APPENDIX, Sources
from .words import code, folding

HERE = Path(__file__).parent
SCRIPTS = ("page", "filter", "download", "explore")  # in this order: each uses what is above it
QUESTIONS = {  # that readers come with -> the sections, or the question of a finding, that answer it, the best first
    "Which solver for my problem?": ("verdict", "performance-profiles", "time-to-gap", "summary"),
    "How sure is that?": ("honesty",),
    "What misleads?": (MISLEADS, "hard-cases", "honesty"),
    "What does a GPU bring?": ("gpu", "break-even-map"),
    "What changed since the last commit?": ("commits",),
}
MISSING = "missing"  # the id of the list of what was not measured


def page(runs: Runs, first: Opening, found: Sequence[Finding], sections: Sequence[Section], sources: Sources) -> str:
    """The page as HTML."""
    templates = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
    templates.filters |= {"code": code, "folded": folding}
    frame = runs.frame
    shown = [section for section in sections if not section.empty]
    missing = [section for section in sections if section.empty and section.note]
    drawn = [figure for section in (first.section, *shown) for figure in section.figures]
    return templates.get_template("page.html").render(
        style=Markup("".join((HERE / name).read_text() for name in ("uplot/uPlot.min.css", "page.css"))),
        library=Markup((HERE / "uplot" / "uPlot.iife.min.js").read_text()),
        script=Markup("\n".join((HERE / f"{name}.js").read_text() for name in SCRIPTS)),
        curves=Markup(as_json((figure.name, figure.curves) for figure in drawn if figure.curves)),
        facets=Markup(json.dumps(facets(frame)).replace("<", "\\u003c")),
        title=f"hessbench: {plural(frame['problem'].nunique(), 'problem')}, {between(frame['date'])}",
        first=first,
        measured=measured(runs),
        older=runs.older,
        disturbed=runs.disturbed,
        skipped=runs.skipped,
        answers=answers(found, shown, missing),
        contents=contents(found, shown, missing),
        findings=[(finding, sources.anchor(finding.runs)) for finding in found],
        best=SHOWN,
        sections=shown,
        missing=missing,
        missing_anchor=MISSING,
        appendix=APPENDIX,
        entries=sources.entries(),
    )


def facets(frame: pd.DataFrame) -> dict[str, dict]:
    """What the page can be filtered by: the values of each column, and the family of each solver."""
    labels = frame.drop_duplicates("label").sort_values("label")
    families = {row["label"]: family(row["solver"]) for _, row in labels.iterrows()}
    families |= {row["plain_label"]: family(row["solver"]) for _, row in labels.iterrows()}
    columns = {"problem": "problem", "solver": "label", "dtype": "dtype", "device": "device", "threads": "threads"}
    values = {name: [str(value) for value in sorted(frame[column].unique())] for name, column in columns.items()}
    values = {"problem": values.pop("problem"), "family": sorted(set(families.values()))} | values
    return {"values": values, "families": families}


def family(solver: str) -> str:
    """The library before a colon; of ours the folder of its class: newton, approximate, trust region or gradient."""
    _, ours, inside = type(SOLVERS.get(solver)).__module__.rpartition("solvers.")
    if ":" in solver:
        return solver.partition(":")[0]
    return inside.partition(".")[0].replace("_", " ") if ours else "plug-in"


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


def answers(
    found: Sequence[Finding], sections: Sequence[Section], missing: Sequence[Section]
) -> list[tuple[str, str, bool]]:
    """For each of the questions the anchor of its answer, and whether that was measured; else what measures it is
    there."""
    places = {finding.question: f"finding-{number}" for number, finding in reversed([*enumerate(found, 1)])}
    places |= {section.name: section.name for section in sections}
    absent = {section.name for section in missing}
    listed = []
    for question, names in QUESTIONS.items():
        known = [places[name] for name in names if name in places]
        listed += [(question, name, bool(known)) for name in [*known, *(n for n in names if n in absent)][:1]]
    return listed


def contents(
    found: Sequence[Finding], sections: Sequence[Section], missing: Sequence[Section] = ()
) -> dict[str, list[tuple[str, str]]]:
    """The contents of the page, in its order: group -> (anchor, title) of each section."""
    groups = {"Summary": [("top", "At a glance"), *([("findings", "What the runs show")] if found else [])]}
    for section in sections:
        groups.setdefault(section.group, []).append((section.name, section.title))
    return groups | {"Appendix": [(MISSING, "Not measured here")] * bool(missing) + [(APPENDIX, "The runs")]}
