"""The verb `honesty`: who says that it converged where it has not."""

from __future__ import annotations

import math
import signal
import sys
from contextlib import suppress
from itertools import product
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import pandas as pd
import torch
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.audit.cases import QUICK, Case, cases
from benchmarks.audit.judge import CONTENDERS, DTYPES, FALSE, OVER_TIME, RAISED, Answer, Judge, answer, row
from benchmarks.audit.verdicts import DEFAULT, Verdicts, false_claims, identity, lies, summary
from benchmarks.command.failure import fail
from benchmarks.runner.worker import DiedError, LostError, Worker
from benchmarks.scoreboard.contenders import load
from solvers.adapters import PEERS
from solvers.common.names import lookup

WIDTH = 165
WARM = Case("warm-up", "", torch.eye(2, dtype=torch.float64), torch.tensor([0.0, 1.0]).double(), {"l2": 1.0})
EVERY = 2.0  # seconds between two writes of the file
GRACE = 3.0  # seconds that native code may run over the limit before its process is ended
FEW = ("hessbench:newton-cholesky", "hessbench:newton-damped", "hessbench:newton-levenberg", "scipy:L-BFGS-B")


def honesty(
    solver: Annotated[list[str], typer.Option(help="Only this one, as library:method; may be repeated.")] = [],  # noqa: B006
    case: Annotated[list[str], typer.Option(help="Only this case; may be repeated.")] = [],  # noqa: B006
    dtype: Annotated[list[str], typer.Option(help="float64 or float32; may be repeated.", show_default="both")] = [],  # noqa: B006
    seconds: Annotated[float, typer.Option(help="Time limit of a fit.")] = 2.0,
    quick: Annotated[bool, typer.Option("--quick", help="Ten cases, four contenders, for CI.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 where one of ours is false or raised.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Ask again what is stored already.")] = False,
    store: Annotated[Path, typer.Option(help="The file.", show_default="reports/honesty/verdicts.parquet")] = DEFAULT,
) -> None:
    """Fit hard problems with every solver and every peer, and judge what each says of its answer.

    The truth is known to 80 digits: is there a minimiser, and how far is the answer from it? A claim of success that
    is not true is false, whoever makes it. All of it takes a quarter of an hour. What is stored of the same code and
    packages is not asked again: an interrupted table goes on. `python -m reports build` shows what is stored.

    Example: python -m benchmarks honesty

    Example: python -m benchmarks honesty --solver hessbench:newton-cholesky --case far-twins --dtype float32
    """
    every = cases()
    try:
        for name in solver:
            lookup(CONTENDERS, name, "solver")
        for name in case:
            lookup(every, name, "case")
        for name in dtype:
            lookup(dict.fromkeys(DTYPES), name, "dtype")
        if not 0 < seconds < math.inf:
            raise ValueError(f"--seconds must be a positive number, found {seconds}")
        verdicts = Verdicts(store)
    except ValueError as error:
        fail(str(error))
    names = list(dict.fromkeys(solver)) or list(FEW if quick else CONTENDERS)
    chosen = [every[name] for name in (dict.fromkeys(case) or (QUICK if quick else every))]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end, too
    try:
        _ask_all(names, chosen, list(dict.fromkeys(dtype)) or list(DTYPES), seconds, force, verdicts)
    except KeyboardInterrupt:
        typer.echo(f"interrupted: {len(verdicts.rows)} verdicts are stored; the same command goes on", err=True)
        raise typer.Exit(130) from None
    except OSError as error:
        fail(f"verdicts cannot be stored in {str(store)!r} ({error.strerror}): name another file with --store")
    wanted = {(name, each.name) for name, each in product(names, chosen)}
    shown = [
        r for r in verdicts.rows.values() if (r["contender"], r["case"]) in wanted and r["dtype"] in (dtype or DTYPES)
    ]
    frame = pd.DataFrame(shown)
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
    for contender in CONTENDERS.values():
        with suppress(Exception):
            contender.answer(WARM.objective("float64"), WARM, 1.0)


def _ask_all(
    names: list[str], chosen: list[Case], dtypes: list[str], seconds: float, force: bool, verdicts: Verdicts
) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
    written = monotonic()
    with bar, Worker(fit, warm_up) as worker:
        task = bar.add_task("", total=len(names) * len(chosen) * len(dtypes))
        try:
            for case, dtype in product(chosen, dtypes):
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
    """A row a contender and precision; the cases of false claims; and each of ours in full."""
    ours = frame["contender"].str.startswith("hessbench:")
    tables = [("Who tells the truth", summary(frame)), ("False claims", false_claims(frame))]
    found = lies(frame[ours])
    found = found.assign(gap=found["gap"].map("{:.1e}".format), optimum=found["optimum"].map("{:.3g}".format))
    for title, table in (*tables, ("Ours", found.rename(columns={"status": "says", "optimum": "f*"}))):
        if table.empty:
            continue
        out = Table(title=title, title_justify="left", box=SIMPLE)
        for name in table.columns:
            out.add_column(name, no_wrap=name in ("contender", "dtype", "note"))
        for _, line in table.iterrows():
            cells = [str(value) for value in line]
            out.add_row(*cells, style="bold" if cells[0].startswith("hessbench:") else None)
        console.print(out)
    console.print(f"{frame['case'].nunique()} cases; {len(lies(frame))} false claims, {len(found)} of them by ours")
