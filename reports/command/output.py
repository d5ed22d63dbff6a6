"""What the verbs share: the default folders, errors in one sentence, and tables on the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.command.terminal.errors import fail
from datasets.folders import RESULTS, TOOLS

RUNS, PEERS, PROFILES, SCALE, LATEST = (RESULTS / name for name in ("runs", "peers", "profiles", "scale", "latest"))
FOREIGN = RESULTS / "foreign"  # runs that another suite measured
VERDICTS = RESULTS / "honesty" / "verdicts.parquet"
ASV, MICRO = TOOLS / ".asv" / "results", TOOLS / ".benchmarks"
# Written out, so that `--help` need not import what measures; a test compares them with the defaults of the code.
GAP = 1e-6
THRESHOLD = 0.05
Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")]


@contextmanager
def writing(out: Path, remedy: str = ": name another folder with --out") -> Iterator[None]:
    """The folder, made where it is not there; what cannot be written ends the verb."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        fail(f"{str(error.filename or out)!r} cannot be written ({error.strerror}){remedy}")


def print_json(value: Any) -> None:
    """A plain value, with null for NaN and infinity."""
    from benchmarks.store.records import without_nan

    typer.echo(json.dumps(without_nan(value), indent=1, default=lambda number: number.item()))


def print_table(columns: Iterable[str], rows: Iterable[Iterable[object]], title: str = "", width: int = 200) -> None:
    """Every cell as plain text; as wide as the terminal, or so many characters where there is none."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*columns, title=escape(title) or None, title_justify="left")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else width).print(table)
