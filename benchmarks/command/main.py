"""The verbs of `python -m benchmarks`."""

from __future__ import annotations

import math
import signal
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks.cases import DTYPES, SUITES, Case, beside, every_solver, select
from benchmarks.command.counters import counters
from benchmarks.command.failure import fail
from benchmarks.command.honesty import honesty
from benchmarks.command.peers import peers
from benchmarks.command.profile import profile
from benchmarks.command.refusals import expressible
from benchmarks.environment import calibration
from benchmarks.measure import measure
from benchmarks.peer_runs import installed
from benchmarks.store import DEFAULT, Store, run_key
from datasets import FUNCTIONS, NIST, PROBLEMS, DataError, build, present_device
from datasets.problems import recipe, summary
from solvers import SOLVERS
from solvers.adapters import PEERS
from solvers.names import lookup

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


app.command()(counters)
app.command()(profile)
app.command()(peers)
app.command()(honesty)


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
        ("problems", [(name, summary(name)) for name in PROBLEMS if name not in functions]),
        ("test functions", [(name, summary(name)) for name in functions]),
        ("suites", [(n, f"{len(s())} cases. {first_line(s)}") for n, s in SUITES.items()]),
    ):
        table = Table("name", "what it is", title=title, title_justify="left")
        if title == "peers":
            table.add_column("installed")
        for row in rows:
            table.add_row(*row)
        console.print(table)


def first_line(named: object) -> str:
    """Of the docstring of a suite, or of what a solver or a peer is."""
    return ((named if callable(named) else type(named)).__doc__ or "").split("\n")[0]


@app.command()
def run(
    suite: Annotated[
        list[str],
        typer.Option(
            help="classic, quick, peers, full, real, sizes, sweep, functions or nist; may be repeated.",
            show_default="quick, or all of --problem",
        ),
    ] = [],  # noqa: B006
    problem: Annotated[list[str], typer.Option(help="Only this problem; may be repeated.")] = [],  # noqa: B006
    solver: Annotated[list[str], typer.Option(help="Only this solver; may be repeated.")] = [],  # noqa: B006
    peer: Annotated[
        list[str], typer.Option(help="This method of another library, as library:method; may be repeated.")
    ] = [],  # noqa: B006
    device: Annotated[list[str], typer.Option(help="cpu, cuda, ...; may be repeated.")] = [],  # noqa: B006
    dtype: Annotated[list[str], typer.Option(help="float32 or float64; may be repeated.")] = [],  # noqa: B006
    threads: Annotated[list[int], typer.Option(help="Threads torch may use; may be repeated.")] = [],  # noqa: B006
    repeats: Annotated[int, typer.Option(help="Runs of each case; six or more give intervals.")] = 10,
    budget: Annotated[float | None, typer.Option(help="Seconds after which a run is stopped.")] = None,
    store: Annotated[Path, typer.Option(help="Folder that holds the runs.", show_default="reports/runs")] = DEFAULT,
) -> None:
    """Measure suites. What is stored already is not measured again, so an interrupted run goes on where it stopped.

    Example: python -m benchmarks run --suite classic --repeats 10

    Example: python -m benchmarks run --problem breast-cancer-l2 --solver newton --solver newton-cholesky --threads 2

    Example: python -m benchmarks run --problem mnist --solver newton-cg --budget 60 --repeats 3

    Example: python -m benchmarks run --peer scipy:trust-exact --peer scikit-learn:lbfgs --problem breast-cancer-l2
    """
    try:
        cases = _there(_cases(suite, problem, solver, device, dtype, threads, repeats, budget, peer), problem)
        cases = expressible(cases)
    except (ValueError, DataError) as error:
        fail(str(error))
    except MemoryError as error:
        fail(f"a problem does not fit into memory ({error}): choose a smaller one")
    if str(store) in ("", "."):
        fail("--store must name a folder of its own, for example --store my-runs")
    target = Store(store)
    try:
        target.prepare()
    except OSError as error:
        fail(f"runs cannot be stored in {str(store)!r} ({error.strerror}): name another folder with --store")

    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # a polite end, too
    wanted: list[tuple[Case, int, str]] = []
    try:
        # Repeats are the outer loop: what disturbs the machine for a while then touches every case, not one of them.
        wanted += [(case, repeat, run_key(case, repeat)) for repeat, case in product(range(repeats), cases)]
        present = target.keys()
        missing = [entry for entry in wanted if entry[2] not in present or not target.readable(entry[2])]
        _measure_all(missing, target)
    except KeyboardInterrupt:
        stored = sum(key in target.keys() for _, _, key in wanted)
        typer.echo(
            f"interrupted: {stored} of {len(wanted)} runs are stored; the same command goes on from there", err=True
        )
        raise typer.Exit(130) from None
    except OSError as error:
        typer.echo(
            f"error: a run could not be stored in {str(store)!r} ({error.strerror}); earlier ones are kept", err=True
        )
        raise typer.Exit(1) from None
    typer.echo(f"{len(missing)} runs measured, {len(wanted) - len(missing)} were there already, in {store}", err=True)


def _there(cases: list[Case], named: list[str]) -> list[Case]:
    """The cases whose data is there: the others are named and left out, but a problem that was asked for must be."""
    absent = {}
    for name in dict.fromkeys(case.problem for case in cases):
        try:
            build(name)
        except DataError as error:
            if name in named:
                raise
            absent[name] = str(error)
    for name, sentence in absent.items():
        typer.echo(f"left out {name}: {sentence}", err=True)
    there = [case for case in cases if case.problem not in absent]
    if not there:
        raise DataError("none of these problems has its data here: `python -m datasets fetch` fetches it")
    return there


def _present(names: list[str]) -> list[str]:
    """The devices that are there; those that are not are named and left out, unless none is left."""
    found, absent = [], []
    for name in names:
        try:
            found.append(str(present_device(name)))
        except ValueError as error:
            absent.append(str(error))
    if absent and not found:
        raise ValueError(absent[0])
    for sentence in absent:
        typer.echo(f"left out: {sentence}", err=True)
    return list(dict.fromkeys(found))


def _cases(
    suites: list[str],
    problems: list[str],
    solvers: list[str],
    devices: list[str],
    dtypes: list[str],
    threads: list[int],
    repeats: int,
    budget: float | None,
    peers: Sequence[str] = (),
) -> list[Case]:
    for name in problems:
        recipe(name)
    if problems and not suites:
        pool = every_solver(problems)
    else:
        suites = suites or ["quick"]
        pool = [case for suite in suites for case in lookup(SUITES, suite, "suite")()]
    for name in solvers:
        lookup(SOLVERS, name, "solver")
    for name in peers:
        lookup(PEERS, name, "peer")
    for name in dtypes:
        lookup(dict.fromkeys(DTYPES), name, "dtype")
    devices = _present(devices)
    if repeats < 1:
        raise ValueError(f"--repeats must be at least 1, found {repeats}")
    most = torch.get_num_threads() if not threads else max(threads)
    if any(count < 1 for count in threads) or most > 1024:
        raise ValueError(f"--threads must lie between 1 and 1024, found {', '.join(map(str, threads))}")
    if budget is not None and not 0 < budget < math.inf:
        raise ValueError(f"--budget must be a positive number of seconds, found {budget}")
    if peers:  # alone, unless solvers are named, too
        pool = [*(pool if solvers else ()), *beside(pool, peers)]
    cases = select(
        pool,
        problems=problems,
        solvers=[*solvers, *peers],
        dtypes=dtypes,
        devices=devices,
        threads=threads,
        budget=budget,
    )
    if not cases:
        named = " and ".join(repr(suite) for suite in suites)
        raise ValueError(f"suite {named} has no such problem with such a solver: name them without --suite")
    return cases


def _measure_all(entries: list[tuple[Case, int, str]], store: Store) -> None:
    interactive = sys.stderr.isatty()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not interactive) as progress:
        task = progress.add_task("calibrating", total=len(entries))
        for case, repeat, key in entries:
            calibration(case.device, case.dtype, case.threads)  # before the first run, never between its repeats
            progress.update(task, description=f"{case.label} on {case.problem}")
            store.write(key, measure(case, repeat))
            progress.advance(task)
            if not sys.stdout.isatty():
                print("done", key, case.solver, case.problem, repeat, flush=True)
