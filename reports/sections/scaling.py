"""The time of an iteration against the size of the problem."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..data.repeats import keys
from ..figures import style
from ..figures.scaling import OTHER, SETUP, SLOPES, cost_figure, panels, sized, slopes
from ..page.section import Section, SectionWriter
from ..page.sources import Sources

NAME, TITLE = "scaling", "Time of an iteration against size"
HOW_TO_MEASURE = (
    "No solver was run on three synthetic problems that differ in one size alone: "
    "`python -m benchmarks run --suite sizes` measures them in seconds, `--suite sweep` larger ones."
)
WORDS = (
    "Median over the repeats; the band holds the middle half of them. Only {other} changes from problem to problem. "
    "The exponent in the legend is the slope of the line."
)


def scaling_section(frame: pd.DataFrame, out: Path, sources: Sources | None = None) -> Section:
    """A table of exponents and a figure for each size that stays fixed."""
    writer = SectionWriter(NAME, TITLE, out, sources)
    table = pd.concat([slopes(frame, against) for against in ("d", "n")], ignore_index=True)
    if table.empty:
        return writer.section(HOW_TO_MEASURE)
    constant = [name for name in SETUP if table[name].nunique() == 1]
    writer.table(SLOPES, table.drop(columns=constant))
    for against in ("d", "n"):
        for (*setup, other), panel in panels(sized(frame), against):
            named = [str(value) for name, value in zip(SETUP, setup, strict=True) if name not in constant]
            stem = "--".join([f"iteration-against-{against}", f"{OTHER[against]}{other}", *map(plain, named)])
            title = f"Time of an iteration against {against}"
            where = ", ".join([f"{OTHER[against]} = {other:,}", *named])
            canvas, axes = style.canvas()
            cost_figure(panel, against, axes)
            axes.set_title(f"{title}\n{where}")
            style.legend(canvas, axes.get_legend_handles_labels()[0])
            writer.figure(stem, f"{title}: {where}", canvas, WORDS.format(other=against), keys(panel))
    return writer.section()


def plain(text: str) -> str:
    """A part of a file's name."""
    return "-".join("".join(c if c.isalnum() else " " for c in text).split())
