"""The verbs of `python -m benchmarks`."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks.cases import DTYPES, SUITES, Case, every_solver, select
from benchmarks.claims import Claims
from benchmarks.command.counters import counters
from benchmarks.command.ending import interruptible, report
from benchmarks.command.failure import fail
from benchmarks.command.pack import pack
from benchmarks.command.peers import peers
from benchmarks.command.profile import profile
from benchmarks.command.verify import verify
from benchmarks.environment import calibration
from benchmarks.environment import memory as total_memory
from benchmarks.isolation import Limits, Worker
from benchmarks.measure import SHARE, evaluate, measure
from benchmarks.store import DEFAULT, Store, run_key
from datasets import PROBLEMS, DataError, build, present_device
from datasets.problems import recipe, summary
from solvers import SOLVERS
from solvers.names import lookup

MOST = 100_000  # repeats of a case
TOGETHER = (
    "warning: another process measures into this store: the times of both are disturbed, and these runs are marked so"
)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


app.command()(counters)
app.command()(profile)
app.command()(peers)
app.command()(verify)
app.command()(pack)


@app.callback()
def main() -> None:
    """Measure solvers and store every run. Example: python -m benchmarks run --suite quick"""


@app.command("list")
def list_all() -> None:
    """The solvers, the problems and the suites, a line each. Example: python -m benchmarks list"""
    console = Console()
    for title, rows in (
        ("solvers", [(name, (type(solver).__doc__ or "").splitlines()[0]) for name, solver in SOLVERS.items()]),
        ("problems", [(name, summary(name)) for name in PROBLEMS]),
        ("suites", [(n, f"{len(s())} cases. {(s.__doc__ or '').splitlines()[0]}") for n, s in SUITES.items()]),
    ):
        table = Table("name", "what it is", title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)


@app.command()
def run(
    suite: Annotated[
        list[str],
        typer.Option(
            help="classic, quick, full, real, sizes or sweep; may be repeated.",
            show_default="quick, or all of --problem",
        ),
    ] = [],  # noqa: B006
    problem: Annotated[list[str], typer.Option(help="Only this problem; may be repeated.")] = [],  # noqa: B006
    solver: Annotated[list[str], typer.Option(help="Only this solver; may be repeated.")] = [],  # noqa: B006
    device: Annotated[list[str], typer.Option(help="cpu, cuda, ...; may be repeated.")] = [],  # noqa: B006
    dtype: Annotated[list[str], typer.Option(help="float32 or float64; may be repeated.")] = [],  # noqa: B006
    threads: Annotated[list[int], typer.Option(help="Threads torch may use; may be repeated.")] = [],  # noqa: B006
    repeats: Annotated[int, typer.Option(help="Runs of each case; six or more give intervals.")] = 10,
    budget: Annotated[float | None, typer.Option(help="Seconds after which a run is stopped.")] = None,
    store: Annotated[Path, typer.Option(help="Folder that holds the runs.", show_default="reports/runs")] = DEFAULT,
    isolate: Annotated[bool, typer.Option("--isolate", help="Each run in another process, within limits.")] = False,
    limit: Annotated[float, typer.Option(help="Seconds, all in all, that an isolated run may take.")] = 600.0,
    memory: Annotated[
        float | None,
        typer.Option(help="GiB that an isolated run may allocate on the host.", show_default="7/10 of what there is"),
    ] = None,
) -> None:
    """Measure suites. What is stored already is not measured again, so an interrupted run goes on where it stopped.

    Example: python -m benchmarks run --suite classic --repeats 10

    Example: python -m benchmarks run --problem breast-cancer-l2 --solver newton --solver newton-cholesky --threads 2

    Example: python -m benchmarks run --problem mnist --solver newton-cg --budget 60 --repeats 3

    Example: python -m benchmarks run --suite full --isolate --limit 120 --memory 4
    """
    try:
        cases = _there(_cases(suite, problem, solver, device, dtype, threads, repeats, budget), problem)
        limits = _limits(limit, memory, budget)
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

    wanted: list[tuple[Case, int, str]] = []
    measured: list[str] = []
    try:
        apart = Worker(limits) if isolate else nullcontext()
        with interruptible() as go_on, Claims(target.folder) as claims, apart as worker:
            # Repeats are the outer loop: what disturbs the machine for a while touches every case, and not one of them.
            wanted = [(case, repeat, run_key(case, repeat)) for repeat, case in product(range(repeats), cases)]
            absent = target.missing(key for _, _, key in wanted)
            missing = [entry for entry in wanted if entry[2] in absent]
            if claims.alone():
                target.sweep()
            else:
                typer.echo(TOGETHER, err=True)
            measured = _measure_all(missing, target, claims, worker, go_on)
    except KeyboardInterrupt:
        typer.echo(f"interrupted: {_standing(wanted, target)}; the same command goes on from there", err=True)
        raise typer.Exit(130) from None
    except OSError as error:
        why, standing = error.strerror or error, _standing(wanted, target)
        typer.echo(f"error: a run could not be stored in {str(store)!r} ({why}); {standing}", err=True)
        raise typer.Exit(1) from None
    there = len(wanted) - len(measured)
    typer.echo(f"{len(measured)} runs measured, {there} were there already, in {store}", err=True)


def _limits(seconds: float, gib: float | None, budget: float | None) -> Limits:
    """The limits of an isolated run."""
    if not (budget or 0.0) < seconds < math.inf:
        least = "a positive number of seconds" if budget is None else "more seconds than --budget"
        raise ValueError(f"--limit must be {least}, found {seconds}")
    if gib is not None and not 0 < gib < 2**20:
        raise ValueError(f"--memory must be a positive number of GiB, found {gib}")
    return Limits(seconds, int(SHARE * total_memory("cpu") if gib is None else gib * 2**30))


def _standing(wanted: list[tuple[Case, int, str]], store: Store) -> str:
    if not wanted:
        return "what is stored stays"
    present = store.keys()
    return f"{sum(key in present for _, _, key in wanted)} of {len(wanted)} runs are stored"


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
    for name in dtypes:
        lookup(dict.fromkeys(DTYPES), name, "dtype")
    devices = _present(devices)
    if not 1 <= repeats <= MOST:
        raise ValueError(f"--repeats must be at least 1 and at most {MOST:,}, found {repeats}")
    most = torch.get_num_threads() if not threads else max(threads)
    if any(count < 1 for count in threads) or most > 1024:
        raise ValueError(f"--threads must lie between 1 and 1024, found {', '.join(map(str, threads))}")
    if budget is not None and not 0 < budget < math.inf:
        raise ValueError(f"--budget must be a positive number of seconds, found {budget}")
    cases = select(
        pool,
        problems=problems,
        solvers=solvers,
        dtypes=dtypes,
        devices=devices,
        threads=threads,
        budget=budget,
    )
    if not cases:
        named = " and ".join(repr(suite) for suite in suites)
        raise ValueError(f"suite {named} has no such problem with such a solver: name them without --suite")
    return cases


def _measure_all(
    entries: list[tuple[Case, int, str]],
    store: Store,
    claims: Claims,
    worker: Worker | None,
    go_on: Callable[[], None],
) -> list[str]:
    """Measure what is missing and no other process is at; the keys of the runs that were measured."""
    measured = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("calibrating", total=len(entries))
        for case, repeat, key in _claimed(entries, store, claims):
            go_on()
            calibration(case.device, case.dtype, case.threads)  # before the first run, never between its repeats
            progress.update(task, description=f"{case.label} on {case.problem}")
            alone = claims.alone()
            rows = worker.rows(case, repeat) if worker else evaluate(measure(case, repeat))
            store.write_rows(key, case, rows, disturbed=not (alone and claims.alone()))
            measured.append(key)
            progress.update(task, completed=len(measured))
            report("done", key, case.solver, case.problem, repeat)
    return measured


def _claimed(entries: list[tuple[Case, int, str]], store: Store, claims: Claims) -> Iterator[tuple[Case, int, str]]:
    """The runs to measure, each under a claim. What another process is at comes last, if it is still missing then."""
    for waiting in (False, True):
        others = []
        for entry in entries:
            key = entry[2]
            if waiting:
                claims.wait(key)
            elif not claims.take(key):
                others.append(entry)
                continue
            try:
                if not store.readable(key):
                    yield entry
            finally:
                claims.release(key)
        entries = others
