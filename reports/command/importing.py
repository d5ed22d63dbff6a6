"""The verb `import`: a result file of benchopt as runs of a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.command.terminal.errors import fail
from datasets.folders import shown

from .output import FOREIGN, writing


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.parquet", help="A result file of benchopt.")],
    store: Annotated[Path, typer.Option(help="Folder for the runs.", show_default=shown(FOREIGN))] = FOREIGN,
) -> None:
    """Store the curves of a result file of benchopt, so that `compare` and `build` show them.

    They are labelled as measured by benchopt, with gaps to the best value found: there is no certificate.

    Example: python -m reports import outputs/benchopt_run.parquet

    Example: python -m reports import runs.parquet --store foreign
    """
    from ..exchange.from_benchopt import read
    from ..exchange.from_benchopt import store as write
    from ..text import plural

    try:
        rows = read(file)
    except ValueError as error:
        fail(str(error))
    with writing(store, remedy=": name another folder with --store"):
        runs = write(rows, store)
    solvers = list(dict.fromkeys(run["label"] for run in runs))
    counted = ", ".join(
        (
            plural(len(runs), "run"),
            plural(len(solvers), "solver"),
            plural(len({run["problem"] for run in runs}), "problem"),
        )
    )
    typer.echo(f"{counted} in {store}, measured by benchopt; no certificate")
    if len(solvers) > 1:
        typer.echo(f"Next: python -m reports compare '{solvers[0]}' '{solvers[1]}' --store {store}")
