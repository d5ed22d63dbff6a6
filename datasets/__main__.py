"""Command line: `python -m datasets list`. What a verb needs is imported when it runs, so that --help is fast."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from .command_line import Version, application
from .own.options import remembered, takes_own_data

if TYPE_CHECKING:
    from . import Certificate

app = application()


@app.callback()
def main(version: Version = False) -> None:
    """The problems, and what is certified about them. Example: python -m datasets list"""


def fail(error: object) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(2)


def tracked(names: Iterable[str], description: str) -> Iterator[str]:
    """The same names, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        yield from progress.track(list(names), description=description)


def show(table: Any) -> None:
    from rich.console import Console

    if table.row_count:
        Console(width=None if sys.stdout.isatty() else 200).print(table)


@app.command("list")
@takes_own_data
def list_problems(
    names: Annotated[list[str] | None, typer.Argument(help="Problems: all by default.")] = None,
    *,
    own: dict[str, Any],
) -> None:
    """Every problem with its certificate: does a minimiser exist, how hard is it, what is f*.

    Computed once (half a minute, and some minutes more for each MNIST problem) and cached in the user's cache folder.

    Example: python -m datasets list breast-cancer mnist

    Example: python -m datasets list --data patients.csv --target outcome --l2 1e-3
    """
    try:
        made = remembered(own)
    except ValueError as error:
        fail(error)
    if made is not None:
        names = [*(names or []), made]
    raise typer.Exit(2 if print_certificates(names) else 0)


def print_certificates(names: list[str] | None) -> bool:
    """The table, and a sentence for each problem without a certificate; whether one that was named has none."""
    from rich.table import Table

    from . import PROBLEMS, DataError, certificate
    from .loaders.storage import sentences

    columns = (
        *("problem", "model", "n", "d", "classes", "margin", "minimiser", "f*"),
        *("rank", "cond H", "lambda_max(D^-1 H)", "lambda_min H(x0)"),
    )
    table, absent, wrong = Table(*columns, caption=LEGEND, caption_justify="left"), {}, {}
    for name in tracked(names or PROBLEMS, "certifying"):
        try:
            table.add_row(*(text(value) for value in describe(certificate(name))))
        except DataError as error:
            absent[name] = str(error)
        except ValueError as error:
            wrong[name] = str(error)
    show(table)
    for sentence in (*sentences(absent), *(f"error: {error}" for error in wrong.values())):
        typer.echo(sentence, err=True)
    return bool(wrong or (names and absent))


LEGEND = (
    "margin: the largest min_i of a row's margin with max |w_j| <= 1. rank: of the rows. cond H: condition number of "
    "the Hessian at the minimiser, or at the start if there is none. lambda_max(D^-1 H): at the start, D = diag H; "
    "above 2, diagonal Newton with unit steps is unstable. lambda_min H(x0): the least eigenvalue of H at the start. "
    "A dash: not known, or not defined."
)


def describe(c: Certificate) -> tuple[str | int | float | None, ...]:
    """A row of the table."""
    minimiser = {True: "exists", False: "none", None: "not known"}[c.minimiser]
    if c.minimiser:
        optimum = f"{c.optimum:.12g} +- {(c.high - c.low) / 2:.1g}"
    else:
        optimum = f"{c.low:g}, not attained" if c.low == c.high else f"in [{c.low:g}, {c.high:.5g}]"
    return (
        c.problem, c.family, c.n, c.d, c.classes or None, c.margin, minimiser, optimum,
        c.rank, c.condition, c.diagonal_rate, c.least_eigenvalue,
    )  # fmt: skip


def text(value: str | int | float | None) -> str:
    """A cell: three digits, and a dash for what is not known."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


@app.command("check")
def check_gradients(
    activation: Annotated[str, typer.Option(help="tanh, sigmoid, softplus or relu.")] = "tanh",
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    data: Annotated[str, typer.Option(help="random, breast-cancer or two-view (a batch of MNIST).")] = "random",
    out: Annotated[Path | None, typer.Option(help="Draw the error-against-step curves into this file.")] = None,
) -> None:
    """Compare the residual MLP's hand-derived gradient with autograd, differences and Taylor expansions; exit 1 if a
    block fails.

    Example: python -m datasets check --activation softplus --data breast-cancer --out check.svg
    """
    from rich.table import Table

    from . import DataError
    from .checks.residual_mlp import check, draw, table, two_view_batch

    try:
        batch = two_view_batch() if data == "two-view" else None
        rows = check(activation, device, data, batch=batch)
    except (DataError, ImportError, ValueError) as error:
        fail(error)
    cells = table(rows)
    shown = Table(*cells[0])
    for row in cells:
        shown.add_row(*row.values())
    show(shown)
    if out:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 5), layout="constrained")
        draw(rows, figure.subplots())
        figure.savefig(out)
    if not all(row.passed for row in rows):
        raise typer.Exit(1)


@app.command("derivatives")
def check_derivatives(
    names: Annotated[list[str] | None, typer.Argument(help="Problems: CUTEst's by default.")] = None,
) -> None:
    """Compare gradient and Hessian of problems, near their start, with differences of their values and gradients.

    Every entry is compared, with the best of eight steps; exit 1 if one differs by more than 1e-5 of the largest. All
    of CUTEst takes some minutes.

    Example: python -m datasets derivatives cutest-rosenbr mgh-beale
    """
    from rich.table import Table

    from . import CUTEST, DataError, build
    from .checks.derivatives import check_start
    from .loaders.storage import sentences

    table, absent, failed = Table("problem", "n", "gradient", "Hessian", "verdict"), {}, False
    for name in tracked(names or [problem.name for problem in CUTEST], "differences"):
        try:
            problem = build(name)
        except (DataError, ValueError) as error:
            absent[name] = str(error)
            continue
        found = check_start(problem)
        failed |= not found.passed
        errors = (f"{error:.0e}" for error in (found.gradient, found.hessian))
        table.add_row(name, str(len(problem.x0)), *errors, "agree" if found.passed else "differ")
    show(table)
    for sentence in sentences(absent):
        typer.echo(f"error: {sentence}", err=True)
    raise typer.Exit(2 if absent else 1 if failed else 0)


@app.command()
def fetch(
    names: Annotated[list[str] | None, typer.Argument(help="mnist, a9a, w8a, ...: all by default.")] = None,
) -> None:
    """Download data into the data folder (HESSBENCH_DATA), or check the files there; a wrong file is replaced.

    Example: python -m datasets fetch mnist a9a
    """
    from solvers.common.names import lookup

    from .loaders.libsvm import SOURCES
    from .loaders.storage import DataError, locate
    from .two_view.views import FILES

    sources = {"mnist": FILES, **{name: source.files for name, source in SOURCES.items()}}
    failed = False
    for name in names or sources:
        try:
            for file in lookup(sources, name, "data set"):
                typer.echo(locate(file, replace=True))
        except (DataError, ValueError) as error:
            typer.echo(f"error: {error}", err=True)
            failed = True
    raise typer.Exit(1 if failed else 0)


@app.command()
def convert(
    file: Annotated[Path, typer.Argument(help="NPY, NPZ (arrays X and y), safetensors, Parquet or LIBSVM.")],
    out: Annotated[Path, typer.Option(help="The folder for the rows.")],
    target: Annotated[
        str | None,
        typer.Option(help="Column of Parquet; array of NPZ or safetensors; number of a column of NPY, or an NPY file."),
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float64",
    block_bytes: Annotated[int, typer.Option(help="Of a block: what is read at once.", min=1)] = 1 << 22,
) -> None:
    """Convert a file that is larger than memory to rows on a disk, once: --data FOLDER then reads them block by block.

    The same command continues where it was interrupted.

    Example: python -m datasets convert clicks.parquet --target clicked --out clicks
    """
    from rich.console import Console

    from .streams import convert as converted

    try:
        with Console(stderr=True).status("converting") as status:

            def show_rows(rows: int) -> None:
                status.update(f"{rows:,} rows")

            stream = converted(file, out, target, dtype=dtype, block_bytes=block_bytes, progress=show_rows)
    except (OSError, ValueError, ImportError) as error:
        fail(error)
    n, d = stream.shape
    about = "in CSR layout, " * stream.is_sparse_csr + dtype
    typer.echo(f"{out}: {n:,} x {d:,}, {about}, {stream.size / 1e6:,.1f} MB in {stream.count} blocks")


@app.command()
def views(
    out: Annotated[Path, typer.Option(help="The figure: .png, .svg or .pdf.")] = Path("views.png"),
    seed: Annotated[int, typer.Option(help="Seed of the views.")] = 0,
) -> None:
    """Draw eight digits, each with two random views of it.

    Example: python -m datasets views --out views.png
    """
    from . import DataError, MNISTTwoView
    from .two_view.figure import views_figure

    try:
        views_figure(MNISTTwoView(download=False, seed=seed)).savefig(out, dpi=150)
    except (DataError, ImportError, OSError, ValueError) as error:
        fail(error)
    typer.echo(out)


if __name__ == "__main__":
    app()
