"""The verb `probe`: a linear classifier on given features, over a path of penalties, each fit with a proved gap."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer

from benchmarks.command.probe.saved import SavedProbe
from benchmarks.command.probe.shown import show
from benchmarks.command.shards.together import together
from benchmarks.command.terminal.errors import fail
from benchmarks.command.terminal.interrupts import interruptible, report
from benchmarks.display.doing import doing
from benchmarks.display.output import exact
from benchmarks.runner.environment import memory
from benchmarks.runner.processes import Processes, launched
from datasets import DataError, present_device
from datasets.own.models import MODELS
from datasets.own.prepare import Prepared
from datasets.own.recipe import own_data
from solvers import SOLVERS, Status, Stop
from solvers.batches.path import fits
from solvers.common.blocked_rows import BlockedRows
from solvers.common.names import lookup
from solvers.distributed import ShardedObjective
from solvers.distributed.rows import part_of
from solvers.objectives.linear.model import LinearModel

PATH = (10.0, 1e-6, 15)  # the largest and the smallest penalty, and how many: two a decade
TABLES = 3  # n x K numbers: margins, probabilities and what is made of them

Over = Callable[[LinearModel], Any]  # the objective of which this one is all, or a process's part


@dataclass
class Probe:
    """What is fitted. known: minimisers that are there already, by their penalties; held_out: None, or other rows."""

    objective: LinearModel
    held_out: LinearModel | None
    l2s: list[float]
    solver: str
    gap: float
    known: dict[float, np.ndarray]


def probe(*, device: str, threads: int, rank_timeout: float, **options: Any) -> None:
    def asked() -> tuple[Probe, SavedProbe, Prepared]:
        return read(device=device, threads=threads, **options)

    def over_processes(group: Processes) -> None:
        task, saved, prepared = group.prepared or (None, None, None)
        if prepared:
            note(prepared)
        began = time.perf_counter()
        if group.agreed(task and isinstance(task.objective.X, BlockedRows)):
            task = task or asked()[0]  # every process reads its own blocks
            task.objective = part_of(task.objective, group.group.rank, group.group.size)
            task.known = group.agreed(task.known)
        else:
            task = divided(task, group, device)
        torch.set_num_threads(threads)
        fit_all(task, saved, ShardedObjective)
        if group.first:
            show(saved, prepared, task.l2s, task.gap, time.perf_counter() - began, group.group.size)

    if launched():
        together(device, rank_timeout, asked, over_processes)
        return
    task, saved, prepared = asked()
    note(prepared)
    began = time.perf_counter()
    torch.set_num_threads(threads)
    try:
        with interruptible():
            fit_all(task, saved, lambda objective: objective)
    except KeyboardInterrupt:
        kept = f"{saved.path} holds them, and the same command goes on"
        there = f"{len(saved.rows.keys() & set(task.l2s))} of {len(task.l2s)} penalties are fitted"
        typer.echo(f"interrupted: {there}; {kept if saved.path else 'with --out FILE they would be kept'}", err=True)
        raise typer.Exit(130) from None
    show(saved, prepared, task.l2s, task.gap, time.perf_counter() - began, 1)


def read(
    *,
    features: str,
    labels: str | None,
    l2: str,
    validation: float,
    gap: float,
    solver: str,
    intercept: bool,
    device: str,
    dtype: str,
    threads: int,
    out: Path | None,
) -> tuple[Probe, SavedProbe, Prepared]:
    """What the options ask for. Bad input ends the command with one sentence."""
    try:
        l2s = penalties(l2)
        if not 0 < gap < 1:
            raise ValueError(f"--gap must lie between 0 and 1, found {gap:g}")
        if threads < 1:
            raise ValueError(f"--threads must be at least 1, found {threads}")
        lookup(SOLVERS, solver, "solver")
        kind = lookup({"float32": torch.float32, "float64": torch.float64}, dtype, "dtype")
        place = present_device(device)
        with doing("reading the features"):
            prepared = own_data(
                features, target=labels, model="softmax", test_size=validation, standardize=False, intercept=intercept
            ).prepared
        check_memory(prepared, kind, place)
        data = prepared.data if isinstance(prepared.data.X, BlockedRows) else prepared.data.to(kind, place)
        model = "logistic" if prepared.classes == 2 else "softmax"
        objective, held_out, _ = MODELS[model].make(data, prepared.classes, l2s[0], intercept)
        settings = [prepared.data.checksum, str(data.X.dtype), model, intercept, gap, solver]
        columns = data.feature_names or tuple(map(str, range(data.X.shape[1])))
        saved = SavedProbe(out, settings, prepared.class_names, columns)
        saved.read()
    except (ValueError, DataError) as error:
        fail(str(error))
    except MemoryError as error:
        fail(
            f"the features do not fit into memory ({error}): convert them with `hessbench data convert`, and give that"
        )
    known = {key: row["x"] for key, row in saved.rows.items() if row["status"] == Status.CONVERGED}
    return Probe(objective, held_out, l2s, solver, gap, known), saved, prepared


def note(prepared: Prepared) -> None:
    """Say what was done to the columns and the rows."""
    for sentence in prepared.notes:
        typer.echo(f"note: {sentence}", err=True)


def penalties(words: str) -> list[float]:
    """From the largest: those that are named, or two a decade for `path`."""
    if words == "path":
        first, last, count = PATH
        return np.geomspace(first, last, count).tolist()
    try:
        numbers = sorted({float(word) for word in words.split(",")}, reverse=True)
    except ValueError:
        raise ValueError(f"--l2 is `path`, or numbers as 1e-3,1e-4; found {words!r}") from None
    if not all(0 < number < math.inf for number in numbers):
        raise ValueError("every penalty must be a finite number > 0: without one there may be no minimiser")
    return numbers


def check_memory(prepared: Prepared, kind: torch.dtype, device: torch.device) -> None:
    """ValueError where the rows and the tables of n x classes cannot fit."""
    X, size = prepared.data.X, torch.finfo(kind).bits // 8
    rows = 0 if isinstance(X, BlockedRows) or X.layout == torch.sparse_csr else X.numel() * size
    classes = prepared.classes if prepared.classes > 2 else 1
    tables = TABLES * len(prepared.data.y) * classes * size
    there = memory(device)
    if rows + tables > there:
        raise ValueError(
            f"the rows take {rows / 1e9:.3g} GB in {str(kind).removeprefix('torch.')}, and the tables of rows x "
            f"classes {tables / 1e9:.3g}, and {device} has {there / 1e9:.3g}: take --dtype float32, fewer rows, or "
            "convert them with `hessbench data convert`"
        )


def divided(task: Probe | None, group: Processes, device: str) -> Probe:
    """The task with the rows of one process, also of the held-out ones. task: None in all but the first."""
    settings = group.agreed(task and (task.l2s, task.solver, task.gap, task.known))
    objective = group.divided(task and task.objective, device)
    tested = group.agreed(task and task.held_out is not None)
    return Probe(objective, group.divided(task and task.held_out, device) if tested else None, *settings)


def fit_all(task: Probe, saved: SavedProbe | None, over: Over) -> None:
    """Fit the penalties that are not there yet, each from the minimiser of the last.

    saved: None in the processes that store nothing. over: what a process's part is part of.
    """
    held_out = task.held_out and over(task.held_out)
    known = {l2: torch.as_tensor(x, device=task.objective.X.device) for l2, x in task.known.items()}
    before = time.perf_counter()
    for l2, found in fits(SOLVERS[task.solver], task.objective, task.l2s, None, Stop(task.gap), known, over):
        now = time.perf_counter()
        row: dict[str, Any] = {
            "x": found.x.cpu().numpy(),
            "value": found.value,
            "gap": math.nan if found.gap_bound is None else found.gap_bound / abs(found.value),
            "accuracy": math.nan if held_out is None else held_out.accuracy(found.x),
            "loss": math.nan if held_out is None else held_out.at(found.x).float_value,
            "seconds": now - before,
            "iterations": found.iterations,
            "status": str(found.status),
            "message": found.message,
        }
        if saved is not None:
            store(saved, l2, row)
        before = time.perf_counter()


def store(saved: SavedProbe, l2: float, row: dict[str, Any]) -> None:
    """Keep a fit, and tell it."""
    try:
        saved.add(l2, row)
    except OSError as error:
        typer.echo(f"error: {saved.path} cannot be written ({error.strerror}): name another file with --out", err=True)
        raise typer.Exit(1) from None
    report("done", f"l2={l2:g}", row["status"], f"{row['seconds']:.3f} s")
    if sys.stderr.isatty():
        typer.echo(f"l2 {l2:.3g}: {row['status']}, {exact(row['seconds'])}", err=True)
