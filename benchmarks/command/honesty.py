"""The verb `honesty`: find false reports of convergence."""

from __future__ import annotations

import math
import signal
import sys
from contextlib import suppress
from itertools import product
from pathlib import Path
from time import monotonic
from typing import Any

import pandas as pd
import torch
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.audit.case import DTYPES, MODELS, Case
from benchmarks.audit.cases import QUICK, cases
from benchmarks.audit.judge import CONTENDERS, FALSE, OVER_TIME, RAISED, Answer, Judge, answer, row
from benchmarks.audit.verdicts import Verdicts, false_claims, false_rows, identity, summary
from benchmarks.command.errors import fail
from benchmarks.runner.worker import DiedError, LostError, Worker
from benchmarks.scoreboard.contenders import load
from solvers.adapters import PEERS
from solvers.common.names import lookup

WIDTH = 165
EYE, LABELS = torch.eye(2, dtype=torch.float64), torch.tensor([0.0, 1.0], dtype=torch.float64)
WARM = [Case("warm-up", "", EYE, LABELS, {"l2": 1.0}, model=model) for model in MODELS]
EVERY = 2.0  # seconds between two writes of the file
GRACE = 3.0  # seconds that native code may run over the limit before its process is ended
FEW = ("hessbench:newton-cholesky", "hessbench:newton-damped", "hessbench:newton-levenberg", "scipy:L-BFGS-B")


def honesty(
    solver: list[str],
    case: list[str],
    model: list[str],
    dtype: list[str],
    seconds: float,
    quick: bool,
    strict: bool,
    force: bool,
    store: Path,
) -> None:
    """Fit the cases, judge the answers and show the table."""
    every = cases()
    try:
        for name in solver:
            lookup(CONTENDERS, name, "solver")
        for name in case:
            lookup(every, name, "problem")
        for name in model:
            lookup(MODELS, name, "model")
        for name in dtype:
            lookup(dict.fromkeys(DTYPES), name, "dtype")
        if not 0 < seconds < math.inf:
            raise ValueError(f"--time-limit must be a positive number of seconds, found {seconds}")
        names = list(dict.fromkeys(solver)) or list(FEW if quick else CONTENDERS)
        chosen = [every[name] for name in (dict.fromkeys(case) or (QUICK if quick else every))]
        asked = [
            (each, precision)
            for each, precision in product(chosen, dict.fromkeys(dtype) or DTYPES)
            if each.model in (model or MODELS) and precision in each.dtypes
        ]
        if not asked:
            raise ValueError("no case is left of that model and dtype: leave --problem, --model or --dtype away")
        verdicts = Verdicts(store)
    except ValueError as error:
        fail(str(error))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end, too
    try:
        _ask_all(names, asked, seconds, force, verdicts)
    except KeyboardInterrupt:
        typer.echo(
            f"interrupted: {len(verdicts.rows)} verdicts are stored; rerun the same command to continue", err=True
        )
        raise typer.Exit(130) from None
    except OSError as error:
        fail(f"verdicts cannot be stored in {str(store)!r} ({error.strerror}): name another file with --store")
    wanted = {(name, each.name, precision) for name, (each, precision) in product(names, asked)}
    frame = pd.DataFrame([found for key, found in verdicts.rows.items() if key in wanted])
    frame = frame.sort_values(
        "contender", key=lambda column: column.map({n: k for k, n in enumerate(names)}), kind="stable"
    )
    show(frame, Console(width=max(WIDTH, Console().width)))
    bad = frame[frame["contender"].str.startswith("hessbench:") & frame["verdict"].isin([FALSE, RAISED])]
    if strict and len(bad):
        raise typer.Exit(1)


def fit(name: str, case: Case, dtype: str, seconds: float) -> dict[str, Any]:
    """What the other process does; its answer as plain values."""
    found = answer(CONTENDERS[name], case, dtype, seconds)
    return vars(found) | {"w": None if found.w is None else found.w.tolist()}


def warm_up() -> None:
    """A fit by every contender: libraries import half of themselves in the first, and the limit is not for that."""
    load(list(PEERS))
    for contender, case in product(CONTENDERS.values(), WARM):
        with suppress(Exception):
            contender.answer(case.objective("float64"), case, 1.0)


def _ask_all(names: list[str], asked: list[tuple[Case, str]], seconds: float, force: bool, verdicts: Verdicts) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
    written = monotonic()
    with bar, Worker(fit, warm_up) as worker:
        task = bar.add_task("", total=len(names) * len(asked))
        try:
            for case, dtype in asked:
                judge = None
                for name in names:
                    mark = identity(name, case, seconds)
                    bar.update(task, description=f"{case.name}, {dtype}: {name}")
                    if force or not verdicts.known(name, case.name, dtype, mark):
                        judge = judge or Judge(case, dtype)
                        verdicts.add(row(name, case, dtype, _ask(worker, name, case, dtype, seconds), judge), mark)
                        if monotonic() - written > EVERY:
                            verdicts.write()
                            written = monotonic()
                    bar.advance(task)
        finally:
            verdicts.write()


def _ask(worker: Worker, name: str, case: Case, dtype: str, seconds: float) -> Answer:
    """A process that hangs or dies is an answer, too."""
    try:
        found = worker.ask(name, case, dtype, seconds, seconds=seconds + 1 + GRACE)
    except LostError as error:
        return Answer(RAISED if isinstance(error, DiedError) else OVER_TIME, message=str(error))
    w = None if found["w"] is None else torch.tensor(found["w"], dtype=torch.float64)
    return Answer(**found | {"w": w})


def show(frame: pd.DataFrame, console: Console) -> None:
    """A row for each contender, model and precision; the cases of false claims; and each of ours in full."""
    ours = frame["contender"].str.startswith("hessbench:")
    tables = [("Reports of convergence on hard problems", summary(frame)), ("False claims", false_claims(frame))]
    found = false_rows(frame[ours])
    found = found.assign(gap=found["gap"].map("{:.1e}".format), optimum=found["optimum"].map("{:.3g}".format))
    for title, table in (*tables, ("Ours", found.rename(columns={"status": "reported", "optimum": "f*"}))):
        if table.empty:
            continue
        out = Table(title=title, title_justify="left", box=SIMPLE)
        for name in table.columns:
            out.add_column(name, no_wrap=name in ("contender", "dtype", "note"))
        for _, line in table.iterrows():
            cells = [str(value) for value in line]
            out.add_row(*cells, style="bold" if cells[0].startswith("hessbench:") else None)
        console.print(out)
    console.print(
        f"{frame['case'].nunique()} cases; {len(false_rows(frame))} false claims, {len(found)} of them by ours"
    )
