"""The section of the report on the time of an iteration against the size of the problem."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from ..data.provenance import Sources, keys
from ..figures.scaling import OTHER, SETUP, cost_figure, panels, sized, slopes
from ..page.page import Section, Shown
from ..page.write import caption, html_table, write_figure, write_table

NAME, TITLE = "scaling", "Time of an iteration against size"
MORE = (
    "No solver was run on three synthetic problems that differ in one size alone: "
    "`python -m benchmarks run --suite sizes` measures them in seconds, `--suite sweep` larger ones."
)
WORDS = (
    "Medians over the repeats, the band their quartiles; the exponent in the legend is fitted to the range in the "
    "table. The problems differ in {other} alone; line searches are included."
)


def scaling_section(frame: pd.DataFrame, out: Path, behind: Sources | None = None) -> Section:
    """A table of exponents and a figure for each size that stays fixed; written below `out`."""
    table = pd.concat([slopes(frame, against) for against in ("d", "n")], ignore_index=True)
    if table.empty:
        return Section(NAME, TITLE, "", "", (), MORE)
    constant = [name for name in SETUP if table[name].nunique() == 1]
    table = table.drop(columns=constant)
    write_table(table, caption(slopes), out / "tables" / "iteration-slopes", behind)
    figures = []
    for against in ("d", "n"):
        for (*setup, other), panel in panels(sized(frame), against):
            told = [str(value) for name, value in zip(SETUP, setup, strict=True) if name not in constant]
            stem = "--".join([f"iteration-against-{against}", f"{OTHER[against]}{other}", *map(plain, told)])
            title = f"Time of an iteration against {against}"
            where = ", ".join([f"{OTHER[against]} = {other:,}", *told])
            canvas = Figure(figsize=(7.2, 4.2), layout="constrained")
            axes = canvas.add_subplot()
            cost_figure(panel, against, axes)
            axes.set_title(f"{title}\n{where}")
            canvas.legend(handles=axes.get_legend_handles_labels()[0], loc="outside lower center", ncols=2)
            ran = keys(panel)
            svg = write_figure(canvas, out / "figures" / stem, behind.words(ran) if behind else "")
            source = behind.line(ran) if behind else ""
            figures.append(Shown(stem, f"{title}: {where}", WORDS.format(other=against), svg, source))
    return Section(NAME, TITLE, caption(slopes), html_table(table, behind), figures, "")


def plain(text: str) -> str:
    """A part of a file's name."""
    return "-".join("".join(c if c.isalnum() else " " for c in text).split())
