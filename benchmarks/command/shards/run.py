"""The verb `run` in each of the processes that torchrun started: all measure, and the first stores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import typer

from benchmarks.command.shards.together import together
from benchmarks.command.terminal.errors import fail
from benchmarks.display.doing import doing
from benchmarks.display.runs import Display
from benchmarks.runner.environment import calibration
from benchmarks.runner.measure import evaluate, problem_of
from benchmarks.runner.processes import END, Processes, place
from benchmarks.runner.suites import Case
from benchmarks.store.locks import Locks
from benchmarks.store.runs import Store, run_key
from datasets import certificate
from solvers import Checkpoint
from solvers.adapters import PEERS
from solvers.distributed.rows import part_of

CHECKPOINTS = "checkpoints"  # the folder in the store, of runs that have not ended


def run_sharded(
    device: str, choose: Callable[[], tuple[list[Case], int]], target: Store, patience: float, seconds: float
) -> None:
    """Measure over the processes.

    device: that of all cases. choose: the cases and repeats, which only the first process asks for: it has all rows.
    patience: seconds that processes wait for one that does not come; seconds: after which a run is saved.
    """
    together(device, patience, lambda: _prepared(device, choose, target), lambda group: _run(group, target, seconds))


def _prepared(device: str, choose: Callable[[], tuple[list[Case], int]], target: Store) -> tuple[list[Case], int]:
    """In the first process: the cases and repeats, with what takes long and is the same for many runs."""
    cases, repeats = choose()
    if {case.device for case in cases} != {device}:
        fail("a run over processes is on one kind of device: name it with --device")
    if foreign := [case.solver for case in cases if case.solver in PEERS]:
        fail(f"{foreign[0]} is of another library, which knows no processes: start it without torchrun")
    for case in cases:
        try:
            part_of(problem_of(case).objective, *place())
        except (TypeError, ValueError) as error:
            fail(f"{case.problem}: {error}")
    try:
        target.prepare()
    except OSError as error:
        fail(f"runs cannot be stored in {str(target.folder)!r} ({error.strerror}): name another folder with --store")
    for problem in dict.fromkeys(case.problem for case in cases):
        with doing(f"computing the certificate of {problem}"):
            certificate(problem)
    for case in cases:
        calibration(case.device, case.dtype, case.threads)
    return cases, repeats


def _run(group: Processes, target: Store, seconds: float) -> None:
    size = group.group.size
    cases, repeats = group.agreed(group.prepared)
    cases = [replace(case, processes=size, backend=group.group.backend) for case in cases]

    def checkpoint(key: str) -> Checkpoint:
        return Checkpoint(target.folder / CHECKPOINTS / key, seconds=seconds, rank=group.group.rank, optional=True)

    if not group.first:
        while (entry := group.told()) != END:
            index, repeat, key = entry.split()
            group.measure(cases[int(index)], int(repeat), checkpoint(key))
        return
    entries = [(index, repeat, run_key(case, repeat)) for repeat in range(repeats) for index, case in enumerate(cases)]
    absent = target.missing(key for *_, key in entries)
    missing = [entry for entry in entries if entry[-1] in absent]
    with Locks(target.folder) as locks, Display([cases[index] for index, *_ in missing]) as display:
        for index, repeat, key in missing:
            case = cases[index]
            display.begins(case)
            group.told(f"{index} {repeat} {key}")
            measurement, columns = group.measure(case, repeat, checkpoint(key))
            rows = [row | columns for row in evaluate(measurement)]
            target.write_rows(key, case, rows, disturbed=not locks.alone())
            display.ends(case, rows)
    group.told(END)
    there = len(entries) - len(missing)
    typer.echo(f"{len(missing)} runs measured over {size} processes, {there} were there already", err=True)
