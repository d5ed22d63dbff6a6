"""Command line: `python -m reports build`, `python -m reports regressions`."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import pandas as pd
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from benchmarks.environment import ROOT
from benchmarks.store import DEFAULT
from reports.asv_results import asv_results
from reports.build import build as build_report
from reports.commits import git_history
from reports.load import load
from reports.regressions import THRESHOLD, changes, worse_now
from reports.regressions import regressions as find_regressions
from reports.write import caption, readable, write_table

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
LATEST = ROOT / "reports" / "latest"
ASV = ROOT / ".asv" / "results"
MICRO = ROOT / ".benchmarks"


@app.callback()
def main() -> None:
    """Turn stored runs into tables and figures. Example: python -m reports build"""


def fail(sentence: str) -> NoReturn:
    typer.echo(f"error: {sentence}", err=True)
    raise typer.Exit(2)


@app.command()
def build(
    store: Annotated[Path, typer.Option(help="Folder that holds the runs.", show_default="reports/runs")] = DEFAULT,
    out: Annotated[Path, typer.Option(help="Folder for the report.", show_default="reports/latest")] = LATEST,
    data: Annotated[bool, typer.Option(help="With the gradient check and the two views of MNIST (10 seconds).")] = True,
    asv: Annotated[Path, typer.Option(help="asv's folder of results.", show_default=".asv/results")] = ASV,
    micro: Annotated[Path, typer.Option(help="pytest-benchmark's folder.", show_default=".benchmarks")] = MICRO,
) -> None:
    """All tables (CSV, Markdown, LaTeX), all figures (SVG, PNG) and one HTML page that needs no network.

    Example: python -m reports build --out my-report
    """
    runs = load(store)
    for name, reason in runs.skipped.items():
        typer.echo(f"left out {name}: {reason}", err=True)
    if runs.frame.empty:
        fail(f"there are no runs in {str(store)!r}: make some with `python -m benchmarks run --suite classic`")
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / ".probe").write_bytes(b"")
        (out / ".probe").unlink()
    except OSError as error:
        fail(f"the report cannot be written to {str(out)!r} ({error.strerror}): name another folder with --out")
    console = Console(stderr=True)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as progress:
        task = progress.add_task("reading", total=None)
        try:
            tables = build_report(
                runs, out, lambda name: progress.update(task, description=name), data=data, asv=asv, micro=micro
            )
        except OSError as error:
            fail(f"{str(error.filename or out)!r} cannot be written ({error.strerror}): name another folder with --out")
    for machine, count in runs.older.items():
        typer.echo(f"{count} runs of older code on {machine} are left out", err=True)
    _print(tables)
    typer.echo(f"\nThe page: {out / 'index.html'}")


def _print(tables: dict) -> None:
    """The summary, narrow enough for a terminal."""
    shown = readable(tables["summary"])
    hidden = {"best loss", "at iteration"}
    columns = [name for name in shown.columns if name not in hidden]
    table = Table(*columns, title="Summary", title_justify="left")
    for _, row in shown[columns].iterrows():
        table.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else 180)
    console.print(table)
    claims = Table("claim", "verdict", title="The original claims, checked", title_justify="left")
    for _, row in tables["claims"].iterrows():
        claims.add_row(row["claim"], row["verdict"])
    console.print(claims)


@app.command()
def regressions(
    results: Annotated[Path, typer.Option(help="asv's folder of results.", show_default=".asv/results")] = ASV,
    baseline: Annotated[
        str | None, typer.Option(help="Commit that drift is measured from.", show_default="the oldest measured")
    ] = None,
    machine: Annotated[str | None, typer.Option(help="asv's name of a machine.", show_default="all")] = None,
    threshold: Annotated[float, typer.Option(min=0.0, help="Part of a time below which no change counts.")] = THRESHOLD,
    out: Annotated[Path | None, typer.Option(help="Folder for the whole list: CSV, Markdown, LaTeX.")] = None,
    fail_if_worse: Annotated[
        bool, typer.Option("--fail", help="Exit with 1 if the newest commit is worse than the last or the baseline.")
    ] = False,
) -> None:
    """What became slower, or needs more iterations, between the commits that asv has measured, and since a baseline.

    Measure with samples, and in turns, so that a mood of the machine touches all commits:
    asv run --record-samples --interleave-rounds 'HEAD~5..HEAD'

    Example: python -m reports regressions --threshold 0.1
    """
    read = asv_results(results)
    for name, reason in read.skipped.items():
        typer.echo(f"left out {name}: {reason}", err=True)
    for name, count in read.older.items():
        typer.echo(f"left out {name}: in {count} files of another version, or of a benchmark that is gone", err=True)
    frame = read.frame
    if frame.empty:
        fail(f"there are no asv results in {str(results)!r}: make some with `asv run --record-samples 'HEAD~5..HEAD'`")
    if machine is not None and machine not in set(frame["host"]):
        fail(f"no results of a machine {machine!r}: there are {', '.join(sorted(set(frame['host'])))}")
    if machine is not None:
        frame = frame[frame["host"] == machine]
    try:
        table = find_regressions(frame, baseline=baseline, threshold=threshold, history=git_history(results))
    except ValueError as error:
        fail(str(error))
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            write_table(table.drop(columns="place"), caption(find_regressions), out / "regressions")
        except OSError as error:
            fail(f"{str(error.filename or out)!r} cannot be written ({error.strerror}): name another folder with --out")
    shown = changes(table)
    _print_changes(shown, several=frame["host"].nunique() > 1)
    count = table["verdict"].value_counts()
    words = ", ".join(f"{count.get(verdict, 0)} {verdict}" for verdict in ("worse", "better", "same", "inconclusive"))
    typer.echo(f"{frame['commit'].nunique()} commits, {len(table)} comparisons: {words}")
    if frame["commit"].nunique() == 1:
        typer.echo("measure another commit to compare it with, such as: asv run --record-samples 'HEAD~1^!'")
    if fail_if_worse and worse_now(table):
        raise typer.Exit(1)


def _print_changes(shown: pd.DataFrame, *, several: bool) -> None:
    """What changed, one line a cell; the machine's name where there are several."""
    names = ["verdict", "commit", "against", "kind", "benchmark", "quantity", "ratio", "interval", "typical", "remark"]
    table = Table(*names, *(["host"] if several else []), title="Changes between commits", title_justify="left")
    for row in shown.to_dict("records"):
        cell = f"{row['benchmark'].rsplit('.', 1)[-1]} ({row['parameters']})".removesuffix(" ()")
        interval = "-" if math.isnan(row["low"]) else f"[{row['low']:.3g}, {row['high']:.3g}]"
        typical = "-" if math.isnan(row["typical"]) else f"{row['typical']:.3g}"
        told = {"benchmark": cell, "ratio": f"{row['ratio']:.3g}", "interval": interval, "typical": typical}
        table.add_row(*(escape(str((row | told)[name])) for name in [*names, *(["host"] if several else [])]))
    if len(shown):
        Console(width=None if sys.stdout.isatty() else 200).print(table)


if __name__ == "__main__":
    app()
