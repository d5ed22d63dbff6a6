"""The verb `probe`: a linear classifier on given features, over a path of penalties, each fit with a proved gap."""

from __future__ import annotations

import math
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.command.probe.saved import SavedProbe
from benchmarks.command.terminal.errors import fail
from benchmarks.command.terminal.interrupts import interruptible, report
from benchmarks.display.doing import doing
from benchmarks.display.output import exact
from benchmarks.runner.environment import memory
from benchmarks.runner.processes import launched
from datasets import DataError, present_device
from datasets.own.models import MODELS
from datasets.own.prepare import Prepared
from datasets.own.recipe import own_data
from solvers import SOLVERS, Status, Stop
from solvers.batches.path import fits
from solvers.common.blocked_rows import BlockedRows
from solvers.common.names import lookup
from solvers.objectives.linear.model import LinearModel

PATH = (10.0, 1e-6, 15)  # the largest and the smallest penalty, and how many: two a decade
TABLES = 3  # n x K numbers: margins, probabilities and what is made of them
WIDTH = 130


def probe(
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
) -> None:
    if launched():
        fail("a probe runs in one process: start it without torchrun, with more --threads")
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
    for note in prepared.notes:
        typer.echo(f"note: {note}", err=True)
    torch.set_num_threads(threads)
    began = time.perf_counter()
    try:
        with interruptible():
            fit_all(saved, solver, objective, held_out, l2s, gap)
    except KeyboardInterrupt:
        kept = f"{out} holds them, and the same command goes on" if out else "with --out FILE they would be kept"
        typer.echo(
            f"interrupted: {len(saved.rows.keys() & set(l2s))} of {len(l2s)} penalties are fitted; {kept}", err=True
        )
        raise typer.Exit(130) from None
    except OSError as error:
        typer.echo(f"error: {out} cannot be written ({error.strerror}): name another file with --out", err=True)
        raise typer.Exit(1) from None
    show(saved, prepared, l2s, gap, time.perf_counter() - began)


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


def fit_all(
    saved: SavedProbe, solver: str, objective: LinearModel, held_out: Any, l2s: list[float], gap: float
) -> None:
    """Fit the penalties that are not there yet, each from the minimiser of the last."""
    known = {
        l2: torch.as_tensor(row["x"], device=objective.X.device)
        for l2, row in saved.rows.items()
        if row["status"] == Status.CONVERGED
    }
    stop, before = Stop(gap_tolerance=gap), time.perf_counter()
    for l2, found in fits(SOLVERS[solver], objective, l2s, stop=stop, known=known):
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
        saved.add(l2, row)
        report("done", f"l2={l2:g}", row["status"], f"{row['seconds']:.3f} s")
        if sys.stderr.isatty():
            typer.echo(f"l2 {l2:.3g}: {row['status']}, {exact(row['seconds'])}", err=True)
        before = time.perf_counter()


def show(saved: SavedProbe, prepared: Prepared, l2s: list[float], gap: float, seconds: float) -> None:
    """The table, the best penalty, what it took, and what to do next."""
    data, tested = prepared.data, len(prepared.data.y_test)
    rows = f"{len(data.y):,} rows to fit, {tested:,} to validate" if tested else f"{len(data.y):,} rows, none held out"
    table = Table(title=f"{rows}, {data.X.shape[1]:,} columns, {prepared.classes:,} classes", box=SIMPLE)
    for name in ("l2", "accuracy", "log loss", "f", "proved gap", "iterations", "time", "status"):
        table.add_column(name, justify="left" if name == "status" else "right")
    chosen = {l2: saved.rows[l2] for l2 in l2s}
    for l2, row in chosen.items():
        held_out = (f"{row['accuracy']:.4f}", f"{row['loss']:.5f}") if tested else ("-", "-")
        numbers = (f"{row['value']:.6g}", f"{row['gap']:.1e}", str(row["iterations"]), exact(row["seconds"]))
        table.add_row(f"{l2:.3g}", *held_out, *numbers, str(row["status"]))
    Console(width=max(WIDTH, Console().width)).print(table)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    typer.echo(f"accuracy and log loss are of the held-out rows; {exact(seconds)}, at most {peak:.2g} GiB of memory")
    for line in advice(chosen, tested, gap):
        typer.echo(line)
    if saved.path is not None:
        typer.echo(f"The weights are in {saved.path}: numpy.load reads them.")


def advice(chosen: dict[float, dict[str, Any]], tested: int, gap: float) -> list[str]:
    """The best penalty, and the next step."""
    failed = [l2 for l2, row in chosen.items() if row["status"] != Status.CONVERGED]
    lines = [
        f"not converged at l2 {l2:.3g}: {chosen[l2]['message']}; take --dtype float64, or a larger --gap"
        for l2 in failed
    ]
    fitted = [l2 for l2 in chosen if l2 not in failed]
    if not tested or not fitted:
        return [*lines, f"{len(fitted)} of {len(chosen)} fits are within {gap:g} of their minimum, proved."]
    best = min(fitted, key=lambda l2: chosen[l2]["loss"])
    row = chosen[best]
    lines.append(f"Best by log loss: l2 {best:.3g}, accuracy {row['accuracy']:.4f}, log loss {row['loss']:.5f}.")
    if len(fitted) > 1 and best in (max(chosen), min(chosen)):
        end, further = ("largest", 10 * best) if best == max(chosen) else ("smallest", best / 10)
        lines.append(f"It is the {end} of them: try --l2 {further:.3g} too.")
    return lines
