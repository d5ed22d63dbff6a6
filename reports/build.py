"""From runs to files: every table, every figure, and the page that holds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import matplotlib
import pandas as pd

from .data.provenance import Sources, keys, sources
from .data.runs import Runs
from .figures import style
from .figures.foremost import foremost, others
from .figures.problem import FIGURES, NO_GAP
from .findings.findings import findings, markdown
from .page.page import Shown, page
from .page.write import caption, html_table, write_figure, write_table
from .recommend.recommend import recommend_sections
from .sections.collection import COLLECTED
from .sections.data import data_sections
from .sections.hard_cases import hard_case_sections
from .sections.overall import overall_sections
from .sections.peer_notes import TABLES as WITH_PEERS
from .sections.peer_notes import peer_note
from .sections.scoreboard import scoreboard_sections
from .sections.tools import tool_sections
from .tables.registry import TABLES, TARGETS, environment, raced, targets

MANIFEST = ".written"  # the files of a report, so that the next build can take them back
PAGE_TABLES = {
    "claims": "The original claims, checked",
    "summary": "Summary",
    "honesty": "Who tells the truth: was “converged” true in these runs?",
    "time-to-gap": "Time to objective gap",
    "time-to-accuracy": "Time to test accuracy",
    "precision": "How close each precision gets",
    "iteration-cost": "Time of an iteration",
    "devices": "The CPU against other devices",
    "break-even": "From which size on another device pays",
    "problems": "The problems",
}
RACES = ("summary", "time-to-gap", "time-to-accuracy", "precision")  # tables of runs that were to arrive somewhere


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
    verdicts: Path | None = None,
) -> dict[str, pd.DataFrame]:
    """Write all of the report into a folder; the tables by name.

    data: with the sections about the data itself. asv, micro: with what asv and pytest-benchmark left in these folders.
    peers: with the scoreboard, from this folder. profiles: with the phases of the profiled runs, from this one.
    verdicts: with those of `python -m benchmarks honesty`, from this file.
    """
    matplotlib.use("agg")
    style.apply()
    for folder in (out / "tables", out / "figures"):
        folder.mkdir(parents=True, exist_ok=True)
    forget(out)
    kept = files(out)
    behind = sources(runs, out)
    tables, shown = {}, []

    def show(name: str, title: str, make: Callable[..., pd.DataFrame], *arguments: object) -> None:
        progress(name)
        tables[name] = make(*arguments)
        words = caption(make) + (peer_note(runs.frame) if name in WITH_PEERS else "")
        write_table(tables[name], words, out / "tables" / name, behind)
        shown.append(Shown(name, title, words, html_table(tables[name], behind)))

    race = raced(runs.frame)
    for name, make in TABLES.items():
        title = PAGE_TABLES.get(name, name.replace("-", " ").capitalize())
        show(name, title, make, race if name in RACES else runs.frame)
    show("environment", "Machines", environment, runs.frame, runs.metadata)
    for kind in TARGETS:  # the same as numbers, for other programs
        targets(race, kind).to_csv(out / "tables" / f"targets-{kind}.csv", index=False)
    progress("findings")
    found = findings(runs.frame)
    (out / "tables" / "findings.md").write_text(markdown(found))
    drawn = draw_all(race, out / "figures", progress, behind)
    sections = overall_sections(runs, out, progress, behind=behind, profiles=profiles)
    sections += recommend_sections(runs, out, progress)
    if asv is not None and micro is not None:
        progress("asv and pytest-benchmark")
        sections += tool_sections(asv, micro, out)
    sections += scoreboard_sections(peers, out) if peers is not None else []
    sections += hard_case_sections(verdicts, out) if verdicts is not None else []
    sections += data_sections(out, progress) if data else []
    (out / "index.html").write_text(page(runs, found, shown, drawn, sections, behind), encoding="utf-8")
    (out / MANIFEST).write_text("".join(f"{name}\n" for name in sorted(files(out) - kept)))
    return tables


def files(out: Path) -> set[str]:
    """The names in the two folders."""
    return {path.relative_to(out).as_posix() for path in [*(out / "tables").iterdir(), *(out / "figures").iterdir()]}


def forget(out: Path) -> None:
    """Remove what an earlier build wrote, and nothing else: its runs may no longer be there."""
    manifest = out / MANIFEST
    for name in manifest.read_text().splitlines() if manifest.exists() else []:
        if PurePosixPath(name).parts[:-1] in (("tables",), ("figures",)):
            (out / name).unlink(missing_ok=True)


def draw_all(
    frame: pd.DataFrame, folder: Path, progress: Callable[[str], None], behind: Sources
) -> dict[str, list[Shown]]:
    """The figures of each problem, by problem. One precision, device and thread count a figure, and it is named.

    Hundreds of small problems have a table instead: `collection`.
    """
    from matplotlib.figure import Figure as Canvas

    drawn: dict[str, list[Shown]] = {}
    frame = frame[(frame["status"] != "error") & ~frame["problem"].isin(COLLECTED)]
    setup = ["machine", "problem", "dtype", "device", "threads"]
    for (machine, problem, dtype, device, threads), cell in frame.groupby(setup, sort=False):
        if dtype != "float64" and _has(frame, problem=problem, dtype="float64"):
            continue  # the other precisions are in the tables
        where = f"{problem}, {dtype}, {device}, {threads} thread{'s' * (threads > 1)}"
        for name, figure in FIGURES.items():
            if figure.has_gap is not None and figure.has_gap != (cell["no_gap"].iloc[0] == ""):
                continue
            if figure.held_out and cell["test_loss"].isna().all():
                continue
            several = frame["machine"].nunique() > 1
            stem = f"{problem}--{name}" + _suffix(frame, problem, machine, device, threads)
            progress(stem)
            labels, front = list(cell["label"].unique()), foremost(cell)
            rows = len(labels if figure.rows else front)
            canvas = Canvas(figsize=(7.2, style.height(rows)), layout="constrained")
            axes = canvas.add_subplot()
            figure.draw(cell, axes)
            axes.set_title(f"{figure.title}\n{where}" + (f"\n{machine}" if several else ""))
            if handles := axes.get_legend_handles_labels()[0]:
                style.legend(canvas, handles)
            svg = write_figure(canvas, folder / stem, behind.words(keys(cell)))
            title = f"{figure.title}: {where}"
            words = (
                figure.caption.replace(NO_GAP, cell["no_gap"].iloc[0])
                + ("" if figure.rows else others(labels, front))
                + peer_note(cell)
            )
            drawn.setdefault(problem, []).append(Shown(stem, title, words, svg, behind.line(keys(cell))))
    return drawn


def _has(frame: pd.DataFrame, **values: str) -> bool:
    return bool((frame[list(values)] == list(values.values())).all(axis=1).any())


def _suffix(frame: pd.DataFrame, problem: str, machine: str, device: str, threads: int) -> str:
    """What tells this figure's file from others of the same problem; empty where it is the only one."""
    cell = frame[frame["problem"] == problem]
    parts = [str(value) for column, value in (("device", device), ("threads", threads)) if cell[column].nunique() > 1]
    if cell["machine"].nunique() > 1:
        parts.append(f"machine{sorted(cell['machine'].unique()).index(machine) + 1}")
    return "--" + "-".join(parts) if parts else ""
