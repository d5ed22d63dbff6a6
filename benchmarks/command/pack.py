"""The verb `pack`: many finished runs in few files."""

from __future__ import annotations

from pathlib import Path

import typer

from benchmarks.command.terminal.errors import fail
from benchmarks.store.locks import Locks
from benchmarks.store.packing import pack as fold
from benchmarks.store.packing import packed_files
from benchmarks.store.runs import Store


def pack(store: Path) -> None:
    target = Store(store)
    if not target.keys():
        fail(f"there are no runs in {str(store)!r}: measure some with `python -m benchmarks run`")
    try:
        target.prepare()
        with Locks(target.folder) as locks:
            if not locks.exclude_others():
                fail("another process is at work in this store: pack it when that is done")
            for left in packed_files(target):  # of a pack that was interrupted
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
