"""The verb `honesty`: find false reports of convergence."""

from __future__ import annotations

import math
import signal
from itertools import count, product
from pathlib import Path

import pandas as pd
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.audit.asking import ask_all
from benchmarks.audit.case import DTYPES, MODELS
from benchmarks.audit.cases import QUICK, cases
from benchmarks.audit.judge import CONTENDERS, FALSE, RAISED
from benchmarks.audit.verdicts import Verdicts, false_claims, false_rows, summary
from benchmarks.command.terminal.errors import fail
from benchmarks.command.terminal.progress import progress_bar
from solvers.common.names import lookup

WIDTH = 165
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
        solver = CONTENDERS.known(solver, "solver")
        for name in case:
            lookup(every, name, "problem")
        for name in model:
            lookup(MODELS, name, "model")
        for name in dtype:
            lookup(dict.fromkeys(DTYPES), name, "dtype")
        if not 0 < seconds < math.inf:
            raise ValueError(f"--time-limit must be a positive number of seconds, found {seconds}")
        names = solver or list(FEW if quick else CONTENDERS)
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
        with progress_bar() as progress:
            task = progress.add_task("", total=len(names) * len(asked))
            done = count()
            ask_all(
                names, asked, seconds, force, verdicts,
                lambda words: progress.update(task, description=words, completed=next(done)),
            )  # fmt: skip
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
