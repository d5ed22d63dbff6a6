"""The verb `build`: every table and figure, and the page; the terminal gets the findings."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.command.terminal.errors import fail
from datasets.folders import shown

from .output import ASV, LATEST, MICRO, PEERS, PROFILES, RUNS, SCALE, VERDICTS, writing


def build(
    store: Annotated[Path, typer.Option(help="Folder that holds the runs.", show_default=shown(RUNS))] = RUNS,
    out: Annotated[Path, typer.Option(help="Folder for the report.", show_default=shown(LATEST))] = LATEST,
    data: Annotated[
        bool, typer.Option(help="Include the gradient check and the MNIST views (about 10 seconds).")
    ] = True,
    asv: Annotated[Path, typer.Option(help="asv's folder of results.", show_default=shown(ASV))] = ASV,
    micro: Annotated[Path, typer.Option(help="pytest-benchmark's folder.", show_default=shown(MICRO))] = MICRO,
    peers: Annotated[Path, typer.Option(help="The scoreboard's folder.", show_default=shown(PEERS))] = PEERS,
    profiles: Annotated[Path, typer.Option(help="Profiled runs.", show_default=shown(PROFILES))] = PROFILES,
    scale: Annotated[Path, typer.Option(help="Runs over processes.", show_default=shown(SCALE))] = SCALE,
    verdicts: Annotated[
        Path,
        typer.Option(help="Verdicts written by `python -m benchmarks honesty`.", show_default=shown(VERDICTS)),
    ] = VERDICTS,
    plugin: Annotated[
        list[Path], typer.Option(metavar="FILE.py", help="A file with PROBLEMS of your own; may be repeated.")
    ] = [],  # noqa: B006
) -> None:
    """Write all tables (CSV, Markdown, LaTeX), all figures (SVG, PNG) and one HTML page that needs no network.

    Example: python -m reports build --out my-report
    """
    from rich.console import Console

    from benchmarks.command.cases import load_plugins

    from ..build import build as build_report
    from ..data.runs import load
    from ..page.drawing import other_processes

    load_plugins(plugin)  # their certificates; what was measured is in the store
    runs = load(store)
    for name, reason in runs.skipped.items():
        typer.echo(f"left out {name}: {reason}", err=True)
    if runs.frame.empty:
        fail(f"there are no runs in {str(store)!r}: make some with `python -m benchmarks run --suite classic`")
    with writing(out):  # before the work starts
        (out / ".probe").write_bytes(b"")
        (out / ".probe").unlink()
    console = Console(stderr=True, quiet=not sys.stderr.isatty())
    warnings.filterwarnings("ignore", "overflow", RuntimeWarning, "matplotlib")  # of an axis, where a solver diverged
    with writing(out), other_processes(), console.status("reading") as status:
        sources = {"asv": asv, "micro": micro, "peers": peers, "profiles": profiles, "scale": scale}
        sources |= {"verdicts": verdicts}
        tables = build_report(runs, out, status.update, data=data, **sources)
    for machine, count in runs.older.items():
        typer.echo(f"{count} runs of older code or plug-ins on {machine} are left out", err=True)
    for machine, count in runs.disturbed.items():
        typer.echo(f"{count} runs that were measured while other work ran on {machine} are left out", err=True)
    print_findings((out / "tables" / "findings.md").read_text())
    typer.echo(f"{len(runs.metadata):,} runs, {len(tables)} tables. The page: {out / 'index.html'}")


def print_findings(markdown: str) -> None:
    """The first findings, as a list; nothing where there is none."""
    from rich.console import Console
    from rich.markdown import Markdown

    Console(width=None if sys.stdout.isatty() else 120).print(Markdown(markdown), end="\n" * bool(markdown))
