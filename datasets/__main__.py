"""Command line: `python -m datasets list`."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from datasets import PROBLEMS, certificate

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


if __name__ == "__main__":
    app()
