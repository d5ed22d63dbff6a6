"""The scoreboard: our solvers and those of other libraries, as `python -m benchmarks peers` measured them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.scoreboard.scores import read

from ..data.provenance import when
from ..figures import style
from ..figures.scoreboard import draw
from ..page.section import Section, SectionWriter
from ..tables.scoreboard import RECORDS
from ..text import distinct, left_out, plural

NAME, TITLE = "scoreboard", "Against other libraries"
MAKE = "No other library was timed here: `make peers` installs some and runs `python -m benchmarks peers`."
FIGURE = (
    "The time of each contender over that of the fastest of ours (median of the rounds), each at its fastest setting "
    "that reaches the gap. Right of the line ours is faster. Our solvers are filled marks, half filled where the "
    "gradient stops them and not the certified gap."
)


def scoreboard_sections(folder: Path, out: Path) -> list[Section]:
    """One section a machine and number of threads, from a folder that need not be there."""
    results, skipped = read(folder)
    note = left_out(skipped)
    if not results:
        return [SectionWriter(NAME, TITLE, out).section(f"{MAKE} {note}".strip())]
    cells: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for result in sorted(results, key=lambda result: (result["machine"], result["threads"], result["n"] * result["d"])):
        cells.setdefault((result["machine"], result["threads"]), []).append(result)
    return [
        _section(name, cell, out, note * (number == 0))
        for number, (name, cell) in enumerate(zip(names(list(cells)), cells.values(), strict=True))
    ]


def names(cells: list[tuple[str, int]]) -> list[str]:
    """Of the sections and their files, for each machine and number of threads: the first has the plain name, and what
    differs from it is in the others', so that `make publish` finds them again."""
    machines = list(dict.fromkeys(machine for machine, _ in cells))
    found = []
    for machine, threads in cells:
        place = machines.index(machine)
        of_machine = f"-machine-{place + 1}" if place else ""
        found.append(NAME + of_machine + (f"-{threads}-threads" if threads != cells[0][1] else ""))
    return found


def _section(name: str, results: list[dict[str, Any]], out: Path, note: str) -> Section:
    threads = plural(results[0]["threads"], "thread")
    writer = SectionWriter(name, f"{TITLE}, {threads}", out)
    for record in RECORDS:
        if len(table := record.make(results)):
            writer.table(record, table, name=name + record.name.removeprefix(NAME), after=provenance(results))
    canvas, axes = style.canvas()
    draw(results, axes)
    title = f"Time to a relative gap of {results[0]['target']:g}, over ours, {threads}"
    axes.set_title(title)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    canvas.set_size_inches(7.2, 1.6 + 0.6 * len(results) + 0.2 * math.ceil(len(unique) / 3))
    style.legend(canvas, [unique[name] for name in sorted(unique, key=lambda name: (":" in name, name))])
    writer.figure(name, title, canvas, FIGURE)
    return writer.section(note)


def provenance(results: list[dict[str, Any]]) -> str:
    """Where, when, of which commit and with which versions."""
    packages = {f"{name} {version}" for result in results for name, version in result["packages"].items()}
    moments = when(pd.DataFrame([{"date": result["date"], "commit": result["commit"]} for result in results]))
    threads = plural(results[0]["threads"], "thread")
    return f"Measured on {results[0]['machine']}; {threads}; {moments}; {distinct(packages)}."
