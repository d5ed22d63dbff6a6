"""The verbs of `python -m benchmarks`."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.command.counters import counters
from benchmarks.command.honesty import honesty
from benchmarks.command.pack import pack
from benchmarks.command.peers import peers
from benchmarks.command.profile import profile
from benchmarks.command.run import run
from benchmarks.command.verify import verify
from benchmarks.runner.peers import installed
from benchmarks.runner.suites import SUITES
from datasets import CUTEST, FUNCTIONS, NIST, PROBLEMS, TEST_FUNCTIONS
from datasets.functions.s2mpj import missing
from datasets.registry import summary
from solvers import SOLVERS
from solvers.adapters import PEERS

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


@app.command("list")
def list_all() -> None:
    """The solvers, the peers in other libraries, the problems, the test functions and the suites, a line each.

    Example: python -m benchmarks list
    """
    console, functions = Console(), [function.name for function in (*FUNCTIONS, *NIST)]
    for title, rows in (
        ("solvers", [(name, first_line(solver)) for name, solver in SOLVERS.items()]),
        ("peers", [(name, first_line(peer), installed(name) or "no") for name, peer in PEERS.items()]),
        ("problems", [(name, summary(name)) for name in PROBLEMS if name not in TEST_FUNCTIONS]),
        ("test functions", [(name, summary(name)) for name in functions]),
        (CUTEST_TITLE, [(f"{n} variables", names) for n, names in by_size().items()]),
        ("suites", [(n, f"{len(s())} cases. {first_line(s)}") for n, s in SUITES.items()]),
    ):
        if title == CUTEST_TITLE and (absent := missing()):
            title = escape(f"{title} ({absent})")
        table = Table("name", "what it is", title=title, title_justify="left")
        if title == "peers":
            table.add_column("installed")
        for row in rows:
            table.add_row(*row)
        console.print(table)


CUTEST_TITLE = "CUTEst's unconstrained problems"


def by_size() -> dict[int, str]:
    """Their names, in one cell for each number of variables."""
    sizes = sorted({problem.n for problem in CUTEST})
    return {n: ", ".join(problem.name for problem in CUTEST if problem.n == n) for n in sizes}


def first_line(named: object) -> str:
    """Of the docstring of a suite, or of what a solver or a peer is."""
    return ((named if callable(named) else type(named)).__doc__ or "").split("\n")[0]
