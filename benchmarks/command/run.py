"""The verb `run`: measure suites into a store."""

from __future__ import annotations

import math
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import typer
from rich.console import Console

from benchmarks.command.cases import cases_of, measurable
from benchmarks.command.own import with_own_data
from benchmarks.command.shards.run import run_sharded
from benchmarks.command.terminal.errors import fail
from benchmarks.command.terminal.interrupts import interruptible, report
from benchmarks.display.doing import doing
from benchmarks.display.output import rough
from benchmarks.display.results import Results
from benchmarks.display.runs import Display
from benchmarks.runner.environment import calibration
from benchmarks.runner.environment import memory as total_memory
from benchmarks.runner.isolation import IsolatedRuns, Limits
from benchmarks.runner.measure import SHARE, evaluate, measure
from benchmarks.runner.processes import launched
from benchmarks.runner.suites import Case, default_repeats
from benchmarks.runner.worker import StartError
from benchmarks.store.locks import Locks
from benchmarks.store.runs import DEFAULT, Store, run_key, was_disturbed
from datasets import DataError, certificate, present_device
from solvers.adapters import PEERS

TWO_PROCESSES = (
    "warning: another process measures into this store: the times of both are disturbed, and these runs are marked so"
)
DISTURBED = (
    "warning: other work on the machine disturbed {} of these {} runs, and they are marked so: reports leave them out "
    "where six runs of a case are undisturbed; more --repeats, on a machine that is idle, add such runs"
)


WIDTH = 120  # of the table at the end, where there is no terminal


class Entry(NamedTuple):
    """A run to measure."""

    case: Case
    repeat: int
    key: str


def run(
    *,
    suite: Sequence[str],
    problem: Sequence[str],
    solver: Sequence[str],
    peer: Sequence[str],
    device: Sequence[str],
    dtype: Sequence[str],
    threads: Sequence[int],
    repeats: int | None,
    time_limit: float | None,
    store: Path,
    isolate: bool | None,
    timeout: float,
    memory: float | None,
    rank_timeout: float,
    checkpoint: float,
    own: dict[str, Any],
) -> None:
    def choose() -> tuple[list[Case], int]:
        problems = with_own_data({"problem": problem, "suite": suite, "own": own})["problem"]
        count = default_repeats(suite, problems) if repeats is None else repeats
        try:
            cases = cases_of(suite, problems, solver, device, dtype, threads, count, time_limit, peer)
            return measurable(cases, problems), count
        except (ValueError, DataError) as error:
            fail(str(error))
        except MemoryError as error:
            fail(f"a problem does not fit into memory ({error}): choose a smaller one")

    try:
        limits = _limits(timeout, memory, time_limit)
        place = str(present_device(device[0])) if device and launched() else "cpu"
    except ValueError as error:
        fail(str(error))
    if str(store) in ("", "."):
        fail("--store must name a folder of its own, for example --store my-runs")
    target = Store(store)
    if launched():
        run_sharded(place, choose, target, rank_timeout, checkpoint)
        return
    cases, repeats = choose()
    try:
        target.prepare()
    except OSError as error:
        fail(f"runs cannot be stored in {str(store)!r} ({error.strerror}): name another folder with --store")

    entries: list[Entry] = []
    measured: dict[str, bool] = {}
    results, began = Results(), time.monotonic()
    try:
        if isolate is None:
            isolate = any(case.solver in PEERS for case in cases)
        with (
            interruptible() as check_signals,
            Locks(target.folder) as locks,
            IsolatedRuns(limits) if isolate else nullcontext() as isolated,
        ):
            # Repeats are the outer loop: what disturbs the machine for a while affects every case, and not one alone.
            with doing("looking for runs that are stored already"):
                ordered = product(range(repeats), cases)
                entries = [Entry(case, repeat, run_key(case, repeat)) for repeat, case in ordered]
                absent = target.missing(entry.key for entry in entries)
            if locks.alone():
                target.remove_partial_files()
            else:
                typer.echo(TWO_PROCESSES, err=True)
            missing = [entry for entry in entries if entry.key in absent]
            _prepare([entry.case for entry in missing], check_signals)
            measured = _measure_all(missing, target, locks, isolated, check_signals, results)
    except KeyboardInterrupt:
        typer.echo(f"interrupted: {_progress(entries, target)}; rerun the same command to continue", err=True)
        raise typer.Exit(130) from None
    except OSError as error:
        _stop(f"a run could not be stored in {str(store)!r} ({error.strerror or error})", entries, target)
    except StartError as error:
        _stop(str(error), entries, target)
    if table := results.table():
        Console(stderr=True, width=None if sys.stderr.isatty() else WIDTH).print(table)
    there, took = len(entries) - len(measured), rough(time.monotonic() - began)
    typer.echo(f"{len(measured)} runs measured, {there} were there already, in {store} ({took})", err=True)
    if disturbed := sum(measured.values()):
        typer.echo(DISTURBED.format(disturbed, len(measured)), err=True)
    place = "" if store == DEFAULT else f" --store {shlex.quote(str(store))}"
    typer.echo(f"Next: python -m reports build{place}", err=True)


def _limits(seconds: float, gib: float | None, time_limit: float | None) -> Limits:
    """The limits of an isolated run."""
    if not (time_limit or 0.0) < seconds < math.inf:
        least = "a positive number of seconds" if time_limit is None else "more seconds than --time-limit"
        raise ValueError(f"--timeout must be {least}, found {seconds}")
    if gib is not None and not 0 < gib < 2**20:
        raise ValueError(f"--memory must be a positive number of GiB, found {gib}")
    return Limits(seconds, int(SHARE * total_memory("cpu") if gib is None else gib * 2**30))


def _stop(reason: str, entries: list[Entry], store: Store) -> NoReturn:
    typer.echo(f"error: {reason}; {_progress(entries, store)}", err=True)
    raise typer.Exit(1)


def _progress(entries: list[Entry], store: Store) -> str:
    if not entries:
        return "what is stored stays"
    present = store.keys()
    return f"{sum(entry.key in present for entry in entries)} of {len(entries)} runs are stored"


def _prepare(cases: list[Case], check_signals: Callable[[], None]) -> None:
    """What takes long and is the same for many runs: certificates, and what the machine reaches."""
    for problem in dict.fromkeys(case.problem for case in cases):
        check_signals()
        with doing(f"computing the certificate of {problem}"):
            certificate(problem)
    for device, dtype, threads in dict.fromkeys((case.device, case.dtype, case.threads) for case in cases):
        check_signals()
        with doing(f"calibrating {device} in {dtype}, threads: {threads}"):
            calibration(device, dtype, threads)  # before the first run, never between its repeats


def _measure_all(
    entries: list[Entry],
    store: Store,
    locks: Locks,
    isolated: IsolatedRuns | None,
    check_signals: Callable[[], None],
    results: Results,
) -> dict[str, bool]:
    """Measure the runs that no other process measures: their keys, and whether other work disturbed each."""
    measured: dict[str, bool] = {}
    with Display([entry.case for entry in entries]) as display:
        for case, repeat, key in _locked(entries, store, locks):
            check_signals()
            display.begins(case)
            alone = locks.alone()
            rows = isolated.rows(case, repeat) if isolated else evaluate(measure(case, repeat))
            store.write_rows(key, case, rows, disturbed=not (alone and locks.alone()))
            measured[key] = was_disturbed(rows, case)
            results.add(case, rows)
            report("done", key, case.solver, case.problem, repeat)
            display.ends(case, rows)
    return measured


def _locked(entries: list[Entry], store: Store, locks: Locks) -> Iterator[Entry]:
    """The runs to measure, each while this process holds its lock. Those that another process holds come last, if they
    are still missing when it lets go."""
    for wait in (False, True):
        held_elsewhere = []
        for entry in entries:
            if wait:
                locks.wait(entry.key)
            elif not locks.take(entry.key):
                held_elsewhere.append(entry)
                continue
            try:
                if not store.readable(entry.key):
                    yield entry
            finally:
                locks.release(entry.key)
        entries = held_elsewhere
