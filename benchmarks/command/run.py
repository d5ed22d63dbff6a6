"""The verb `run`: measure suites into a store."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.command.choosing import cases_of, with_data
from benchmarks.command.ending import interruptible, report
from benchmarks.command.failure import fail
from benchmarks.command.refusals import expressible
from benchmarks.runner.environment import calibration
from benchmarks.runner.environment import memory as total_memory
from benchmarks.runner.isolation import IsolatedRuns, Limits
from benchmarks.runner.measure import SHARE, evaluate, measure
from benchmarks.runner.suites import Case
from benchmarks.store.locks import Claims
from benchmarks.store.runs import DEFAULT, Store, run_key, waited
from datasets import DataError
from solvers.adapters import PEERS

TOGETHER = (
    "warning: another process measures into this store: the times of both are disturbed, and these runs are marked so"
)

BESIDE = (
    "warning: other work on the machine kept {} of these {} runs waiting, and they are marked so: where six others of "
    "a case are not, reports go by those alone; more --repeats, on a machine that is idle, add them"
)


def run(
    suite: Annotated[
        list[str],
        typer.Option(
            help="classic, quick, peers, full, real, sizes, sweep, functions, nist or cutest; may be repeated.",
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
    isolate: Annotated[
        bool | None,
        typer.Option(help="Each run in another process, within limits.", show_default="where there are peers"),
    ] = None,
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

    Example: python -m benchmarks run --peer scipy:trust-exact --peer scikit-learn:lbfgs --problem breast-cancer-l2

    Example: python -m benchmarks run --suite full --isolate --limit 120 --memory 4
    """
    try:
        cases = with_data(cases_of(suite, problem, solver, device, dtype, threads, repeats, budget, peer), problem)
        cases = expressible(cases)
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
    measured: dict[str, bool] = {}
    try:
        foreign = any(case.solver in PEERS for case in cases)
        apart = IsolatedRuns(limits) if (foreign if isolate is None else isolate) else nullcontext()
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
    if beside := sum(measured.values()):
        typer.echo(BESIDE.format(beside, len(measured)), err=True)


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


def _measure_all(
    entries: list[tuple[Case, int, str]],
    store: Store,
    claims: Claims,
    worker: IsolatedRuns | None,
    go_on: Callable[[], None],
) -> dict[str, bool]:
    """Measure what is missing and no other process is at; the keys of the runs that were measured, and whether other
    work kept them waiting."""
    measured: dict[str, bool] = {}
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
            measured[key] = waited(rows, case)
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
