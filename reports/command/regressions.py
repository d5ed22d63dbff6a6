"""The verb `regressions`: what became slower over the commits that asv has measured."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.command.terminal.errors import fail
from datasets.folders import shown

from .output import ASV, THRESHOLD, print_table, writing

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ["verdict", "commit", "against", "kind", "benchmark", "quantity", "ratio", "interval", "typical", "remark"]


def regressions(
    results: Annotated[Path, typer.Option("--asv", help="asv's folder of results.", show_default=shown(ASV))] = ASV,
    baseline: Annotated[
        str | None, typer.Option(help="Commit that drift is measured from.", show_default="the oldest measured")
    ] = None,
    machine: Annotated[str | None, typer.Option(help="asv's name of a machine.", show_default="all")] = None,
    threshold: Annotated[
        float, typer.Option(min=0.0, help="Smallest relative change to report, e.g. 0.05.")
    ] = THRESHOLD,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the whole list: CSV, Markdown, LaTeX. With --github also a file, NAME.md."),
    ] = None,
    github: Annotated[
        bool, typer.Option("--github", help="Print a comment for a pull request, about the newest commit alone.")
    ] = False,
    fail_if_worse: Annotated[
        bool, typer.Option("--fail", help="Exit with 1 if the newest commit is worse than the last or the baseline.")
    ] = False,
) -> None:
    """List what became slower, or needs more iterations, between commits that asv has measured, and since a baseline.

    Measure with samples, and in turns, so that a slow hour of the machine touches all commits:
    asv run --record-samples --interleave-rounds 'HEAD~5..HEAD'

    Example: python -m reports regressions --threshold 0.1

    Example: python -m reports regressions --github > comment.md
    """
    from ..comparing.comment import comment
    from ..comparing.commits import commit_places, git_history
    from ..comparing.regressions import REGRESSIONS, worse_now
    from ..data.asv_results import asv_results
    from ..page.write import write_table

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
    history = git_history(results)
    try:
        table = REGRESSIONS.make(frame, baseline=baseline, threshold=threshold, history=history)
    except ValueError as error:
        fail(str(error))
    places = commit_places(frame, history)
    words = comment(table, max(places, key=places.__getitem__), threshold=threshold) if github else ""
    if out is not None:
        alone = github and out.suffix == ".md"
        with writing(out.parent if alone else out):
            if github:
                (out if alone else out / "comment.md").write_text(words)
            if not alone:
                write_table(table.drop(columns="place"), REGRESSIONS.caption, out / "regressions")
    if github:
        typer.echo(words, nl=False)
    else:
        _print(table, frame)
    if fail_if_worse and worse_now(table):
        raise typer.Exit(1)


def _print(table: pd.DataFrame, frame: pd.DataFrame) -> None:
    """The changes as a table, and how many comparisons there are of each verdict."""
    from ..comparing.regressions import changes

    rows = [_row(row) for row in changes(table).to_dict("records")]
    columns = [*SHOWN, *(["host"] if frame["host"].nunique() > 1 else [])]
    if rows:
        print_table(columns, ([row[name] for name in columns] for row in rows), "Changes between commits")
    count = table["verdict"].value_counts()
    words = ", ".join(f"{count.get(verdict, 0)} {verdict}" for verdict in ("worse", "better", "same", "undecided"))
    typer.echo(f"{frame['commit'].nunique()} commits, {len(table)} comparisons: {words}")
    if frame["commit"].nunique() == 1:
        typer.echo("measure another commit to compare it with, such as: asv run --record-samples 'HEAD~1^!'")


def _row(row: dict) -> dict:
    """A change, as it is printed."""
    cell = f"{row['benchmark'].rsplit('.', 1)[-1]} ({row['parameters']})".removesuffix(" ()")
    interval = "-" if math.isnan(row["low"]) else f"[{row['low']:.3g}, {row['high']:.3g}]"
    typical = "-" if math.isnan(row["typical"]) else f"{row['typical']:.3g}"
    return row | {"benchmark": cell, "ratio": f"{row['ratio']:.3g}", "interval": interval, "typical": typical}
