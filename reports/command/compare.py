"""The verb `compare`: two stores, commits, machines, devices, dtypes, solvers or thread counts, case by case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.command.terminal.errors import fail
from datasets.folders import shown

from .output import GAP, RUNS, Json, print_json, print_table, writing

if TYPE_CHECKING:
    from ..comparing.selection import Sides


def compare(
    first: Annotated[
        str,
        typer.Argument(
            metavar="A", help="First selection: a store, commit, machine, device, dtype, solver or threads=N."
        ),
    ],
    second: Annotated[str, typer.Argument(metavar="B", help="Second selection, of the same kind.")],
    store: Annotated[Path, typer.Option(help="Folder that holds the runs.", show_default=shown(RUNS))] = RUNS,
    quantity: Annotated[
        list[str], typer.Option(help="run, gap or iteration; may be repeated.", show_default="all")
    ] = [],  # noqa: B006
    gap: Annotated[float, typer.Option(help="Target gap for --quantity gap, as a fraction of f(x0) - f*.")] = GAP,
    out: Annotated[Path | None, typer.Option(help="Folder for the whole list: CSV, Markdown, LaTeX.")] = None,
    null: Annotated[
        bool, typer.Option("--null", help="A/A test: A and B are the same; halves of its repeats are compared.")
    ] = False,
    json: Json = False,
) -> None:
    """Compare A with B: cases that agree in everything else are paired, and each pair has a ratio of times with its
    interval and a verdict. The stored runs tell what A and B are; where a word may be several things, write device=cpu.

    Example: python -m reports compare cpu cuda

    Example: python -m reports compare 3f2a1b 9c0d2e --quantity gap

    Example: python -m reports compare threads=1 threads=2 --out threads

    Example: python -m reports compare cpu cpu --null
    """
    import pandas as pd

    from ..comparing.compare import COMPARE, QUANTITIES, SUMMARY
    from ..comparing.lines import pair_lines, plain, summary_lines, without_partner
    from ..comparing.partners import partners
    from ..comparing.selection import sides
    from ..page.write import write_table

    if unknown := [name for name in quantity if name not in QUANTITIES]:
        fail(f"unknown --quantity {unknown[0]!r}: take {', '.join(QUANTITIES)}")
    if not 0 < gap < 1:
        fail(f"--gap must lie between 0 and 1, found {gap:g}")
    try:
        chosen = sides(store, first, second, same=null)
    except ValueError as error:
        fail(str(error))
    if null:
        return _null(chosen, tuple(quantity) or tuple(QUANTITIES), gap, out, json)
    table = COMPARE.make(chosen, quantities=quantity or tuple(QUANTITIES), gap=gap)
    _, alone = partners(chosen)
    a, b = (f"{chosen.kind} {name}" for name in chosen.names)
    if not json:
        typer.echo(f"A: {a}\nB: {b}")
    if table.empty:
        fail(f"no case of A has a partner in B that agrees in all but the {chosen.kind}: {without_partner(alone)}")
    if out is not None:
        with writing(out):
            for record, found in ((COMPARE, table), (SUMMARY, SUMMARY.make(table))):
                write_table(found, f"A: {a}. B: {b}. {record.caption}", out / record.name)
            rest = pd.DataFrame(alone, columns=["side", "cell"])
            write_table(rest, "Cases without a partner on the other side.", out / "compare-without-partner")
    if json:
        return print_json(plain(chosen, table, alone, gap))
    for title, columns, lines in pair_lines(table, gap):
        print_table(columns, lines, title)
    for line in summary_lines(chosen, table):
        typer.echo(line)
    if alone:
        typer.echo(f"without a partner: {without_partner(alone)}")


def _null(chosen: Sides, quantities: tuple[str, ...], gap: float, out: Path | None, json: bool) -> None:
    """The selection against itself."""
    from ..comparing.null import NULL, nothing_to_split, null_lines, null_test
    from ..page.write import write_table
    from ..text import records

    found = null_test(chosen, quantities=quantities, gap=gap)
    if found.cases.empty:
        fail(nothing_to_split(found))
    if out is not None:
        with writing(out):
            write_table(found.cases, f"A and B: {chosen.kind} {chosen.names[0]}. {NULL.caption}", out / NULL.name)
    if json:
        return print_json({"cases": records(found.cases), "lists": found.lists, "left_out": found.left_out})
    typer.echo(f"A and B: {chosen.kind} {chosen.names[0]}")
    for line in null_lines(found):
        typer.echo(line)
