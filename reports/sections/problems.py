"""The figures of each problem."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from datasets.registry import summary

from ..data.repeats import disturbed_note, keys, peers_note
from ..figures import style
from ..figures.highlight import grey_note, highlighted
from ..figures.problem import FIGURES, NO_GAP
from ..page.section import FIGURES_GROUP, Section, SectionWriter
from ..page.sources import Sources
from ..text import sentence, setup
from .collection import COLLECTED

OPEN = 2  # problems whose figures show at once; those of the others unfold


def problem_sections(
    frame: pd.DataFrame, out: Path, progress: Callable[[str], None], sources: Sources
) -> list[Section]:
    """A section a problem. One precision, device and thread count a figure, and it is named.

    Hundreds of small problems have a table instead: `collection`.
    """
    frame = frame[(frame["status"] != "error") & ~frame["problem"].isin(COLLECTED)]
    several = frame["machine"].nunique() > 1
    writers: dict[str, SectionWriter] = {}
    cells = frame.groupby(["machine", "problem", "dtype", "device", "threads"], sort=False)
    for (machine, problem, dtype, device, threads), cell in cells:
        of_problem = frame[frame["problem"] == problem]
        if dtype != "float64" and "float64" in set(of_problem["dtype"]):
            continue  # the other precisions are in the tables
        title = f"Figures: {problem}"
        writer = writers.setdefault(
            problem, SectionWriter(f"figures-{problem}", title, out, sources, group=FIGURES_GROUP)
        )
        where = f"{problem}, {setup(dtype, device, threads)}"
        labels, front = list(cell["label"].unique()), highlighted(cell)
        for name, figure in FIGURES.items():
            if figure.has_gap is not None and figure.has_gap != (cell["no_gap"].iloc[0] == ""):
                continue
            if figure.held_out and cell["test_loss"].isna().all():
                continue
            stem = f"{problem}--{name}" + _suffix(of_problem, machine, device, threads)
            progress(stem)
            canvas, axes = style.canvas(style.height(len(labels if figure.rows else front)))
            figure.draw(cell, axes)
            axes.set_title(f"{figure.title}\n{where}" + f"\n{machine}" * several)
            style.legend(canvas, axes.get_legend_handles_labels()[0])
            words = figure.caption.replace(NO_GAP, cell["no_gap"].iloc[0])
            grey = "" if figure.rows else grey_note(labels, front)
            words = " ".join(filter(None, [words, grey, peers_note(cell)]))
            writer.figure(stem, f"{figure.title}: {where}", canvas, words, keys(cell))
    sections = []
    for number, (problem, writer) in enumerate(writers.items(), 1):
        about = summary(problem)
        notes = [sentence(about) if about else "", disturbed_note(frame[frame["problem"] == problem])]
        sections.append(writer.section(caption=" ".join(filter(None, notes)), folded=number > OPEN))
    return sections


def _suffix(of_problem: pd.DataFrame, machine: str, device: str, threads: int) -> str:
    """What the name of this figure adds to that of the problem; empty where it is the only one."""
    parts = [str(v) for column, v in (("device", device), ("threads", threads)) if of_problem[column].nunique() > 1]
    if of_problem["machine"].nunique() > 1:
        parts.append(f"machine{sorted(of_problem['machine'].unique()).index(machine) + 1}")
    return "--" + "-".join(parts) if parts else ""
