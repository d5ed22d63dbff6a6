"""The verb `list`: all names that the other verbs take."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.display.durations import expected
from benchmarks.runner.peers import installed
from benchmarks.runner.suites import SUITES
from datasets import CUTEST, FUNCTIONS, NIST, PROBLEMS, TEST_FUNCTIONS
from datasets.functions.s2mpj import why_missing
from datasets.registry import summary
from solvers import SOLVERS
from solvers.adapters import PEERS


def listing() -> None:
    console, functions = Console(), [function.name for function in (*FUNCTIONS, *NIST)]
    absent = f" ({why_missing()})" if why_missing() else ""
    sizes = sorted({problem.n for problem in CUTEST})
    for title, rows in (
        ("solvers", [(name, first_line(solver)) for name, solver in SOLVERS.items()]),
        ("peers", [(name, first_line(peer), installed(name) or "no") for name, peer in PEERS.items()]),
        ("problems", [(name, summary(name)) for name in PROBLEMS if name not in TEST_FUNCTIONS]),
        ("test functions", [(name, summary(name)) for name in functions]),
        (
            f"CUTEst's unconstrained problems{absent}",
            [(f"{n} variables", ", ".join(each.name for each in CUTEST if each.n == n)) for n in sizes],
        ),
        (
            "suites",
            [
                (name, f"{len(suite())} cases. {first_line(suite)}", expected(name, suite))
                for name, suite in SUITES.items()
            ],
        ),
    ):
        table = Table("name", "what it is", title=escape(title), title_justify="left")
        if title == "peers":
            table.add_column("installed")
        if title == "suites":
            table.add_column("how long it takes")
        for row in rows:
            table.add_row(*row)
        console.print(table)


def first_line(thing: object) -> str:
    """Of the docstring of a suite, or of the class of a solver or a peer."""
    return ((thing if callable(thing) else type(thing)).__doc__ or "").split("\n")[0]
