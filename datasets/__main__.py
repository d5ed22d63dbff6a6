"""Command line: `python -m datasets list`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from datasets import PROBLEMS, DataError, MNISTTwoView, certificate
from solvers.names import lookup

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def main() -> None:
    """The problems, and what is certified about them. Example: python -m datasets list"""


@app.command("list")
def list_problems() -> None:
    """Every problem with its certificate: does a minimiser exist, how hard is it, what is f*.

    Example: python -m datasets list
    """
    table = Table(
        "problem", "n", "d", "classes", "margin", "minimiser", "f* (mean loss)", "rank", "cond H", "rate D^-1 H"
    )
    for name in PROBLEMS:
        c = certificate(name)
        optimum = f"{c.optimum:.12g} +- {(c.high - c.low) / 2:.1g}" if c.minimiser else f"{c.low:g}, not attained"
        table.add_row(
            name, str(c.n), str(c.d), c.classes, f"{c.margin:.3g}", "exists" if c.minimiser else "none",
            optimum, str(c.rank), f"{c.condition:.2g}", f"{c.diagonal_rate:.3g}",
        )  # fmt: skip
    Console().print(table)


@app.command("check")
def check_gradients(
    activation: Annotated[str, typer.Option(help="tanh, sigmoid, softplus or relu.")] = "tanh",
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    data: Annotated[str, typer.Option(help="random, breast-cancer or two-view (a batch of MNIST).")] = "random",
    out: Annotated[Path | None, typer.Option(help="Draw the error-against-step curves into this file.")] = None,
) -> None:
    """The residual MLP's hand-derived gradient against autograd, differences and Taylor; exit 1 where a block fails.

    Example: python -m datasets check --activation softplus --data breast-cancer --out check.svg
    """
    from datasets.gradient_check import check, draw

    try:
        batch = None
        if data == "two-view":
            digits = MNISTTwoView(download=False, seed=0)
            items = [digits[i] for i in range(32)]
            batch = torch.stack([item[1] for item in items]), torch.tensor([item[3] for item in items])
        rows = check(activation, device, data, batch=batch)
    except (DataError, ImportError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    table = Table("block", "entries", "autograd", "differences", "Taylor 1", "Taylor 2", "verdict")
    for row in rows:
        slopes = ["-" if math.isnan(curve.slope) else f"{curve.slope:.3f}" for curve in (row.first, row.second)]
        errors = [f"{row.gradient_error:.1e}", f"{row.difference_error:.1e}"]
        verdict = "pass" if row.passed else "FAIL: " + ", ".join(row.failures)
        table.add_row(row.block, str(row.size), *errors, *slopes, verdict)
    Console().print(table)
    if out:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 5), layout="constrained")
        draw(rows, figure.subplots())
        figure.savefig(out)
    if not all(row.passed for row in rows):
        raise typer.Exit(1)


@app.command()
def fetch(
    names: Annotated[list[str] | None, typer.Argument(help="mnist, a9a, w8a, ...: all by default.")] = None,
) -> None:
    """Fetch data into the data folder (HESSBENCH_DATA), or check what is there; a wrong file is replaced.

    Example: python -m datasets fetch mnist a9a
    """
    from datasets.libsvm import SOURCES
    from datasets.mnist_two_view import FILES
    from datasets.storage import locate

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
def views(
    out: Annotated[Path, typer.Option(help="The figure: .png, .svg or .pdf.")] = Path("views.png"),
    seed: Annotated[int, typer.Option(help="Of the views.")] = 0,
) -> None:
    """Draw eight digits, each with two random views of it.

    Example: python -m datasets views --out views.png
    """
    from datasets.views import views_figure

    try:
        views_figure(MNISTTwoView(download=False, seed=seed)).savefig(out, dpi=150)
    except (DataError, ImportError, OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(out)


if __name__ == "__main__":
    app()
