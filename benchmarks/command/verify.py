"""The verb `verify`: stored runs once more, compared bit for bit."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import typer

from benchmarks.command.terminal.errors import fail
from benchmarks.command.terminal.interrupts import interruptible
from benchmarks.store.reading import read
from benchmarks.store.verification import verify as run_again


def verify(store: Path, count: int | None) -> None:
    if count is not None and count < 1:
        fail(f"--count must be at least 1, found {count}")
    stored = read(store)
    for name, reason in stored.skipped.items():
        typer.echo(f"left out {name}: {reason}", err=True)
    same = allowed = wrong = 0
    left_out: Counter[str] = Counter()
    try:
        with interruptible() as check_signals:
            for outcome in run_again(stored, count):
                check_signals()
                if outcome.reason:
                    left_out[outcome.reason] += 1
                elif not outcome.difference:
                    same += 1
                else:
                    allowed, wrong = allowed + (not outcome.deterministic), wrong + outcome.deterministic
                    word = "differs" if outcome.deterministic else "differs, as its row says it may"
                    typer.echo(f"{word}: {outcome.run} ({outcome.name}): {outcome.difference}")
    except KeyboardInterrupt:
        typer.echo(f"interrupted: {same} runs are the same, {wrong} differ; the rest was not run again", err=True)
        raise typer.Exit(130) from None
    for reason, number in left_out.items():
        typer.echo(f"left out: {number} runs {reason}", err=True)
    if not same + allowed + wrong:
        fail(f"no run in {str(store)!r} can be run again here: measure with `python -m benchmarks run`")
    typer.echo(f"{same} runs are the same bit for bit, {wrong} differ, {allowed} differ as they may", err=True)
    if wrong:
        raise typer.Exit(1)
