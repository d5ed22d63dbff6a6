"""Tables and figures as files: CSV, Markdown, LaTeX, HTML, PNG and SVG, the same bytes for the same runs."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Canvas

DIGITS = {"test accuracy": 4, "f* from": 15, "to": 15, "margin": 3, "cond H": 2, "rate of D^-1 H": 3}


def caption(function: Any) -> str:
    """The docstring of a table as one line."""
    return re.sub(r"\s+", " ", function.__doc__ or "").strip()


def text(value: Any, digits: int = 5) -> str:
    """A cell for readers: significant digits, and a dash for what is not there."""
    if isinstance(value, float):
        if math.isnan(value):
            return "-"
        return f"{value:.{digits}g}"
    return str(value)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Every cell as text."""
    return pd.DataFrame(
        {name: [text(value, DIGITS.get(name, 5)) for value in column] for name, column in table.items()}
    )


def write_table(table: pd.DataFrame, words: str, stem: Path) -> None:
    """stem.csv with all digits; stem.md and stem.tex (booktabs) as a reader wants them, with the caption."""
    shown = readable(table)
    table.to_csv(stem.with_suffix(".csv"), index=False)
    stem.with_suffix(".md").write_text(f"{words}\n\n{shown.to_markdown(index=False, disable_numparse=True)}\n")
    latex = (
        shown.style.hide(axis="index")
        .format(escape="latex")
        .format_index(escape="latex", axis=1)
        .to_latex(hrules=True, caption=_latex(words), label=f"tab:{stem.name}")
    )
    stem.with_suffix(".tex").write_text(latex)


def _latex(words: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return re.sub(r"[\\~^&%$#_{}]", lambda found: special.get(found[0], "\\" + found[0]), words)


def html_table(table: pd.DataFrame) -> str:
    """An HTML table whose cells are escaped."""
    return readable(table).to_html(index=False, border=0, escape=True, classes="table")


def write_figure(canvas: Canvas, stem: Path) -> str:
    """stem.svg and stem.png; the SVG without its XML prologue, for the page."""
    canvas.draw_without_rendering()  # lays out; without the engine the two files need not do it again
    canvas.set_layout_engine("none")
    # No date and no version: the same runs give the same bytes.
    canvas.savefig(stem.with_suffix(".png"), dpi=150, metadata={"Software": None})
    buffer = io.StringIO()
    canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"
    stem.with_suffix(".svg").write_text(svg)
    return unique_ids(svg[svg.index("<svg") :], stem.name)


def unique_ids(svg: str, prefix: str) -> str:
    """The same drawing with ids of its own, so that many can stand in one page."""
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'(xlink:href|href)="#([^"]+)"', rf'\1="#{prefix}-\2"', svg)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
