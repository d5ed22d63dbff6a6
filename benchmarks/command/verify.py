"""The verb `verify`: stored runs once more, compared bit for bit."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.command.ending import interruptible
from benchmarks.command.failure import fail
from benchmarks.store.reading import read
from benchmarks.store.runs import DEFAULT
from benchmarks.store.verification import verify as again


def verify(
    store: Annotated[Path, typer.Option(help="Folder that holds the runs.", show_default="reports/runs")] = DEFAULT,
    count: Annotated[int | None, typer.Option(help="So many runs only.", show_default="all")] = None,
) -> None:
    """Run stored runs again, and compare iterates, losses and counters bit for bit. Exit 1 where one differs.

    Example: python -m benchmarks verify --count 20
    """
    if count is not None and count < 1:
        fail(f"--count must be at least 1, found {count}")
    stored = read(store)
    for name, reason in stored.skipped.items():
        typer.echo(f"left out {name}: {reason}", err=True)
    same, may, wrong, left = 0, 0, 0, Counter()
    try:
        with interruptible() as go_on:
            for verdict in again(stored, count):
                go_on()
                if verdict.reason:
                    left[verdict.reason] += 1
                elif not verdict.difference:
                    same += 1
                else:
                    may, wrong = may + (not verdict.deterministic), wrong + verdict.deterministic
                    word = "differs" if verdict.deterministic else "differs, as its row says it may"
                    typer.echo(f"{word}: {verdict.run} ({verdict.name}): {verdict.difference}")
    except KeyboardInterrupt:
        typer.echo(f"interrupted: {same} runs are the same, {wrong} differ; the rest was not looked at", err=True)
        raise typer.Exit(130) from None
    for reason, number in left.items():
        typer.echo(f"left out: {number} runs {reason}", err=True)
    if not same + may + wrong:
        fail(f"no run in {str(store)!r} can be run again here: measure with `python -m benchmarks run`")
    typer.echo(f"{same} runs are the same bit for bit, {wrong} differ, {may} differ as they may", err=True)
    if wrong:
        raise typer.Exit(1)
