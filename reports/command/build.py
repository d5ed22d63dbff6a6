"""The verb `build`: every table and figure, and the page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from benchmarks.audit.verdicts import DEFAULT as VERDICTS
from benchmarks.command.failure import fail
from benchmarks.profiling.store import PROFILES
from benchmarks.runner.environment import ROOT
from benchmarks.scoreboard.scores import DEFAULT as PEERS
from benchmarks.store.runs import DEFAULT

from ..build import build as build_report
from ..data.runs import load
from ..page.write import readable
from .regressions import ASV

LATEST = ROOT / "reports" / "latest"
MICRO = ROOT / ".benchmarks"


def build(
    store: Annotated[Path, typer.Option(help="Folder that holds the runs.", show_default="reports/runs")] = DEFAULT,
    out: Annotated[Path, typer.Option(help="Folder for the report.", show_default="reports/latest")] = LATEST,
    data: Annotated[bool, typer.Option(help="With the gradient check and the two views of MNIST (10 seconds).")] = True,
    asv: Annotated[Path, typer.Option(help="asv's folder of results.", show_default=".asv/results")] = ASV,
    micro: Annotated[Path, typer.Option(help="pytest-benchmark's folder.", show_default=".benchmarks")] = MICRO,
    peers: Annotated[Path, typer.Option(help="The scoreboard's folder.", show_default="reports/peers")] = PEERS,
    profiles: Annotated[Path, typer.Option(help="Profiled runs.", show_default="reports/profiles")] = PROFILES,
    verdicts: Annotated[
        Path, typer.Option(help="What `honesty` found.", show_default="reports/honesty/verdicts.parquet")
    ] = VERDICTS,
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
                runs,
                out,
                lambda name: progress.update(task, description=name),
                data=data,
                asv=asv,
                micro=micro,
                peers=peers,
                profiles=profiles,
                verdicts=verdicts,
            )
        except OSError as error:
            fail(f"{str(error.filename or out)!r} cannot be written ({error.strerror}): name another folder with --out")
    for machine, count in runs.older.items():
        typer.echo(f"{count} runs of older code on {machine} are left out", err=True)
    for machine, count in runs.disturbed.items():
        typer.echo(f"{count} runs that were measured beside other work on {machine} are left out", err=True)
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
