"""The verb `compare`: two stores, commits, machines, devices, dtypes, solvers or thread counts, cell by cell."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.command.failure import fail
from benchmarks.store.runs import DEFAULT

from ..comparing.compare import COMPARE, QUANTITIES, SUMMARY, summaries
from ..comparing.compare import compare as compare_sides
from ..comparing.partners import across_machines, partners
from ..comparing.selection import STORE, Sides, sides
from ..data.targets import GAP
from ..page.write import write_table
from ..statistics.estimate import Estimate, show
from ..text import show_ratio

FEW = 8  # cells without a partner that are named; the others are counted
TITLES = {"run": "The whole run", "gap": "Time to a relative gap of {gap:g}", "iteration": "An iteration"}
KEYS = ["machine", "problem", "solver", "label", "rules", "settings", "dtype", "device", "threads"]


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A store, commit, machine, device, dtype, solver.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another of the same kind.")],
    store: Annotated[Path, typer.Option(help="Folder that holds the runs.", show_default="reports/runs")] = DEFAULT,
    quantity: Annotated[
        list[str], typer.Option(help="run, gap or iteration; may be repeated.", show_default="all")
    ] = [],  # noqa: B006
    gap: Annotated[float, typer.Option(help="Of the times to a gap, relative to f(x0) - f*.")] = GAP,
    out: Annotated[Path | None, typer.Option(help="Folder for the whole list: CSV, Markdown, LaTeX.")] = None,
) -> None:
    """A against B: cells that agree in everything else are paired, and each pair has its ratio, an interval and a
    verdict. What A and B are is inferred from the stored runs; where a word may be several things, write device=cpu.

    Example: python -m reports compare cpu cuda

    Example: python -m reports compare 3f2a1b 9c0d2e --quantity gap

    Example: python -m reports compare threads=1 threads=2 --out threads
    """
    if unknown := [name for name in quantity if name not in QUANTITIES]:
        fail(f"unknown --quantity {unknown[0]!r}: take {', '.join(QUANTITIES)}")
    if not 0 < gap < 1:
        fail(f"--gap must lie between 0 and 1, found {gap:g}")
    try:
        chosen = sides(store, first, second)
    except ValueError as error:
        fail(str(error))
    table = compare_sides(chosen, quantities=quantity or tuple(QUANTITIES), gap=gap)
    _, alone = partners(chosen)
    a, b = (f"{chosen.kind} {name}" for name in chosen.names)
    typer.echo(f"A: {a}\nB: {b}")
    if table.empty:
        fail(f"no cell of A has a partner in B that agrees in all but the {chosen.kind}: {_named(alone)}")
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            write_table(table, f"A: {a}. B: {b}. {COMPARE.caption}", out / "compare")
            write_table(summaries(table), f"A: {a}. B: {b}. {SUMMARY.caption}", out / "compare-summary")
            without = pd.DataFrame(alone, columns=["side", "cell"])
            write_table(without, "Cells without a partner on the other side.", out / "compare-without-partner")
        except OSError as error:
            fail(f"{str(error.filename or out)!r} cannot be written ({error.strerror}): name another folder with --out")
    console = Console(width=None if sys.stdout.isatty() else 200)
    for name, rows in table.groupby("quantity", sort=False):
        _print(console, rows, TITLES[str(name)].format(gap=gap))
    for line in _summary(chosen, table):
        typer.echo(line)
    if alone:
        typer.echo(f"without a partner: {_named(alone)}")


def _print(console: Console, rows: pd.DataFrame, title: str) -> None:
    """A quantity, one line a pair that has times; what all pairs share stands in the title."""
    names = [name for name in KEYS if name in rows]
    shared = [f"{rows[name].iloc[0]}" for name in names if rows[name].nunique() == 1]
    varying = [name for name in names if rows[name].nunique() > 1 and not (name == "solver" and "label" in names)]
    table = Table(*varying, "A", "B", "B / A", "B is", "results", title_justify="left")
    table.title = escape(f"{title} ({'; '.join(shared)})")
    for row in rows.to_dict("records"):
        known = not math.isnan(row["A"])
        times = [_side(row, name) if known else "-" for name in ("A", "B")]
        ratio = "-" if math.isnan(row["ratio"]) else show_ratio(row["ratio"], row["low"], row["high"])
        cells = [*(str(row[name]) for name in varying), *times, ratio, row["verdict"], row["results"]]
        table.add_row(*map(escape, cells))
    console.print(table)


def _side(row: dict, name: str) -> str:
    found = Estimate(*(row[f"{name}{part}"] for part in ("", " low", " high", " reached", " repeats", " beyond")))
    marked = f" ({row[f'{name} disturbed']} of {found.repeats} disturbed)" if row[f"{name} disturbed"] else ""
    return show(found) + marked


def _summary(chosen: Sides, table: pd.DataFrame) -> list[str]:
    """A line a quantity, and one more where machines differ."""
    lines = []
    for row in summaries(table).to_dict("records"):
        where = f" on {row['machine']}" if "machine" in row and table["machine"].nunique() > 1 else ""
        counted = ", ".join(f"{row[word]} {word}" for word in ("faster", "slower", "same", "undecided", "no ratio"))
        mean = "no ratio" if math.isnan(row["B / A"]) else show_ratio(row["B / A"], row["low"], row["high"])
        lines.append(f"{row['quantity']}{where}: B / A {mean} (geometric mean of {row['ratios']}); B is {counted}")
    differ = table.drop_duplicates([name for name in KEYS if name in table])["results"] != "agree"
    lines.append(f"results: {int((~differ).sum())} pairs agree, {int(differ.sum())} differ")
    if chosen.kind == STORE and across_machines(chosen):
        a, b = (frame["machine"].iloc[0] for frame in chosen.frames)
        lines.append(f"the machines differ: A on {a}, B on {b}")
    return lines


def _named(alone: list[tuple[str, str]]) -> str:
    """The first few cells of each side in words, and how many more."""
    parts = []
    for side in ("A", "B"):
        cells = [cell for owner, cell in alone if owner == side]
        more = f", and {len(cells) - FEW} more" if len(cells) > FEW else ""
        parts += [f"{len(cells)} of {side} ({', '.join(cells[:FEW])}{more})"] if cells else []
    return "; ".join(parts)
