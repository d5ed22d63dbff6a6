"""The verb `counters`: count, compare with the baseline, or rewrite it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.command.terminal.errors import fail
from benchmarks.profiling import counters as counting
from benchmarks.profiling.processors import PROCESSORS


def counters(check: bool, update: bool, baseline: Path | None) -> None:
    baseline = baseline or counting.BASELINE
    if check and update:
        fail("--check compares and --update rewrites: choose one")
    try:
        version, expected = counting.read_baseline(baseline) if check else ("", {})
    except ValueError as error:
        fail(str(error))
    wanted = counting.cases()
    if update:
        ways = len(PROCESSORS) * (1 + counting.SEEDS)
        seen: dict[str, list[counting.Counts]] = {" ".join(case): [] for case in wanted}
        for name, counts in tracked(counting.counted_elsewhere(wanted), ways * len(wanted)):
            seen[name].append(counts)
        found = {name: counting.spanned(counts) for name, counts in seen.items()}
    else:
        found = {" ".join(case): counting.count(*case) for case in tracked(wanted, len(wanted))}
    if update:
        try:
            counting.write_baseline(found, baseline)
        except OSError as error:
            fail(f"{str(baseline)!r} cannot be written ({error.strerror})")
        unsteady = sum(any(isinstance(value, list) for value in counts.values()) for counts in found.values())
        typer.echo(f"{len(found)} cases written to {baseline}, {unsteady} of them with intervals")
    elif check:
        ignored = () if version == torch.__version__ else counting.OF_TORCH
        if ignored:
            typer.echo(f"not compared, for the baseline is of torch {version}: {', '.join(ignored)}", err=True)
        changed = counting.changes(expected, found, ignored)
        for sentence in changed:
            typer.echo(sentence)
        if changed:
            typer.echo(
                f"{len(changed)} of {len(found)} cases changed: if that is meant, run "
                "`python -m benchmarks counters --update` and commit the file",
                err=True,
            )
            raise typer.Exit(1)
        typer.echo(f"{len(found)} cases count as the baseline allows")
    else:
        show(found)


def tracked(items: Iterable[Any], total: int) -> Iterator[Any]:
    """The same items, with a progress bar on a terminal."""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        yield from progress.track(items, total=total, description="counting")


def show(found: dict[str, counting.Counts]) -> None:
    columns = ("status", "iterations", "gradients", "hessians", "hessian_vector_products", "factorisations", "flops")
    columns += (*counting.OF_TORCH,)
    table = Table("case", *(name.replace("_", " ") for name in columns))
    for name, counts in found.items():
        table.add_row(name, *(counting.shown(counts[column]) for column in columns))
    Console(width=None if sys.stdout.isatty() else 200).print(table)
