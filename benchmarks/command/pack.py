"""The verb `pack`: many finished runs in few files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.command.failure import fail
from benchmarks.store.locks import Claims
from benchmarks.store.packing import pack as fold
from benchmarks.store.packing import packed_files
from benchmarks.store.runs import DEFAULT, Store


def pack(
    store: Annotated[Path, typer.Option(help="Folder that holds the runs.", show_default="reports/runs")] = DEFAULT,
) -> None:
    """Fold finished runs into one file a suite. `run` and the reports read them like the rest.

    Example: python -m benchmarks pack --store my-runs
    """
    target = Store(store)
    if not target.keys():
        fail(f"there are no runs in {str(store)!r}: measure some with `python -m benchmarks run`")
    try:
        target.prepare()
        with Claims(target.folder) as claims:
            if not claims.close_the_door():
                fail("another process is at work in this store: pack it when that is done")
            for left in packed_files(target):  # by a pack that was ended before its end
                left.unlink(missing_ok=True)
            taken, skipped = fold(target)
    except OSError as error:
        typer.echo(f"error: {error.strerror or error}; every run is still there", err=True)
        raise typer.Exit(1) from None
    for name, reason in skipped.items():
        typer.echo(f"left as it is: {name}: {reason}", err=True)
    for name, count in taken.items():
        typer.echo(f"{name}: {count} runs")
    typer.echo(f"{sum(taken.values())} runs packed, {len(skipped)} files left as they are, in {store}", err=True)
