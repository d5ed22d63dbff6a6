"""The verb `export`: stored runs as a file of another benchmark suite."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.command.terminal.errors import fail
from datasets.folders import shown

from .output import RUNS, writing

BENCHOPT, OPTIPROFILER = FORMATS = ("benchopt", "optiprofiler")


def export(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="benchopt: a .parquet file; optiprofiler: a folder.")],
    format: Annotated[str, typer.Option(help=f"Whose format: {' or '.join(FORMATS)}.")] = BENCHOPT,
    store: Annotated[Path, typer.Option(help="Folder that holds the runs.", show_default=shown(RUNS))] = RUNS,
) -> None:
    """Write the stored runs in the format of another benchmark suite, which then draws them.

    Example: python -m reports export --format benchopt runs.parquet

    Example: python -m reports export --format optiprofiler profiles
    """
    if format not in FORMATS:
        fail(f"unknown --format {format!r}: take {' or '.join(FORMATS)}")
    if format == BENCHOPT and out.suffix != ".parquet":
        fail(f"benchopt reads files that end with .parquet: name one in place of {str(out)!r}")
    from ..data.runs import load

    runs = load(store)
    for name, reason in runs.skipped.items():
        typer.echo(f"left out {name}: {reason}", err=True)
    if runs.frame.empty:
        fail(f"there are no runs in {str(store)!r}: make some with `python -m benchmarks run --suite quick`")
    if format == BENCHOPT:
        from ..exchange.benchopt import to_benchopt, write

        rows = to_benchopt(runs.frame, runs.metadata)
        with writing(out.parent, remedy=": name another file"):
            write(rows, out)
        failed = runs.frame["run"].nunique() - runs.frame.loc[runs.frame["value"].notna(), "run"].nunique()
        left = f"; {failed} runs without a value are left out: benchopt has no rows for failures" if failed else ""
        typer.echo(f"{len(rows):,} rows of {len(runs.metadata):,} runs in {out}{left}")
        typer.echo(
            "Draw them: put the file into the folder `outputs` of a benchmark, then benchopt plot BENCHMARK -f FILE"
        )
        return
    from datasets import DataError

    from ..exchange.optiprofiler import size, to_optiprofiler
    from ..exchange.optiprofiler import write as write_experiment

    try:
        group = to_optiprofiler(runs.frame, size)
        with writing(out, remedy=": name another folder"):
            folder = write_experiment(group, out, str(runs.frame["date"].max()))
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed, which writes HDF5: python -m pip install -e '.[exchange]'")
    except (DataError, ValueError) as error:
        fail(str(error))
    typer.echo(f"{len(group['problem_names'])} problems, {len(group['solver_names'])} solvers in {folder}")
    typer.echo(f"Draw them: in the folder {out}, optiprofiler.benchmark(None, load='latest')")
