"""The verbs of `python -m benchmarks`."""

from __future__ import annotations

import typer

from benchmarks.command.counters import counters
from benchmarks.command.honesty import honesty
from benchmarks.command.pack import pack
from benchmarks.command.peers import peers
from benchmarks.command.profile import profile
from benchmarks.command.run import run
from benchmarks.command.verify import verify

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


app.command()(run)
app.command()(counters)
app.command()(profile)
app.command()(peers)
app.command()(honesty)
app.command()(verify)
app.command()(pack)


@app.callback()
def main() -> None:
    """Measure solvers and store every run. Example: python -m benchmarks run --suite quick"""
