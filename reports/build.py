"""From runs to files: every table, every figure, and the page that holds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import matplotlib
import pandas as pd

from .data.repeats import peers_note
from .data.runs import Runs
from .data.targets import TARGETS
from .figures import style
from .findings.findings import findings, markdown
from .page.page import page
from .page.section import TABLES_GROUP, SectionWriter
from .page.sources import sources
from .sections.collection import collection_section
from .sections.data import data_sections
from .sections.device_map import device_map_section
from .sections.gpu import gpu_section
from .sections.hard_cases import hard_case_sections
from .sections.opening import opening
from .sections.performance import performance_section
from .sections.phases import phases_section
from .sections.problems import problem_sections
from .sections.processes import processes_section
from .sections.recommendations import recommendation_section
from .sections.scaling import scaling_section
from .sections.scoreboard import scoreboard_sections
from .sections.tools import tool_sections
from .tables.record import not_measured
from .tables.registry import TABLES
from .tables.times import targets, with_a_target

MANIFEST = ".written"  # the files of a report, so that the next build can take them back

ACROSS = {  # sections of the frame of all runs
    "performance profiles": performance_section,
    "time against size": scaling_section,
    "devices": device_map_section,
    "test functions": collection_section,
}


def build(
    runs: Runs,
    out: Path,
    progress: Callable[[str], None] = lambda name: None,
    *,
    data: bool = True,
    asv: Path | None = None,
    micro: Path | None = None,
    peers: Path | None = None,
    profiles: Path | None = None,
    scale: Path | None = None,
    verdicts: Path | None = None,
) -> dict[str, pd.DataFrame]:
    """Write all of the report into a folder; the tables by name.

    data: with the sections about the data itself. asv, micro: with what asv and pytest-benchmark left in these folders.
    peers: with the scoreboard, from this folder. profiles: with the phases of the profiled runs, from this one.
    scale: with what was measured over processes, from this one.
    verdicts: with those of `python -m benchmarks honesty`, from this file.
    """
    matplotlib.use("agg")
    style.apply()
    for folder in (out / "tables", out / "figures"):
        folder.mkdir(parents=True, exist_ok=True)
    remove_written(out)
    kept = files(out)
    known = sources(runs, out)
    tables, sections = {}, []
    for record in TABLES.values():
        progress(record.name)
        tables[record.name] = record.make(*record.takes(runs))
        writer = SectionWriter(record.name, record.heading, out, known, group=TABLES_GROUP)
        missing, after = not_measured(tables[record.name]), peers_note(runs.frame) if record.peers else ""
        writer.table(record, tables[record.name], after=after, show=not missing and len(tables[record.name]) > 0)
        sections.append(writer.section(missing))
    competing = with_a_target(runs.frame)
    for kind in TARGETS:  # the same as numbers, for other programs
        targets(competing, kind).to_csv(out / "tables" / f"targets-{kind}.csv", index=False)
    progress("findings")
    found = findings(runs.frame)
    (out / "tables" / "findings.md").write_text(markdown(found))
    sections += problem_sections(competing, out, progress, known)
    for name, make in ACROSS.items():
        progress(name)
        sections += filter(None, [make(runs.frame, out, known)])
    sections += [phases_section(profiles, out)] if profiles is not None else []
    sections += [processes_section(scale, out)] if scale is not None else []
    progress("recommendations")
    sections.append(recommendation_section(runs, out, known))
    sections += scoreboard_sections(peers, out) if peers is not None else []
    sections += hard_case_sections(verdicts, out) if verdicts is not None else []
    sections += [gpu_section(runs.folder, out)] if runs.folder is not None else []
    if asv is not None and micro is not None:
        progress("asv and pytest-benchmark")
        sections += tool_sections(asv, micro, out)
    sections += data_sections(out, progress) if data else []
    first = opening(competing, found, out, known)
    (out / "index.html").write_text(page(runs, first, found, sections, known), encoding="utf-8")
    (out / MANIFEST).write_text("".join(f"{name}\n" for name in sorted(files(out) - kept)))
    return tables


def files(out: Path) -> set[str]:
    """The names in the two folders."""
    return {path.relative_to(out).as_posix() for path in [*(out / "tables").iterdir(), *(out / "figures").iterdir()]}


def remove_written(out: Path) -> None:
    """Remove what an earlier build wrote, and nothing else: its runs may no longer be there."""
    manifest = out / MANIFEST
    for name in manifest.read_text().splitlines() if manifest.exists() else []:
        if PurePosixPath(name).parts[:-1] in (("tables",), ("figures",)):
            (out / name).unlink(missing_ok=True)
