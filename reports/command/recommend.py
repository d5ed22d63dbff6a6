"""The verb `recommend`: which solver for a problem of this size, and whether such advice has been good."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.command.failure import fail
from benchmarks.runner.suites import DTYPES
from benchmarks.store.runs import DEFAULT

from ..data.runs import load
from ..data.targets import GAP
from ..recommend.coverage import coverage, covered
from ..recommend.experience import experience
from ..recommend.recommend import Answer, Question
from ..recommend.recommend import recommend as answer
from ..recommend.regret import MORE, regret, too_few, verdict
from ..text import seconds


def recommend(
    n: Annotated[int | None, typer.Option(help="Rows of the logistic regression.")] = None,
    d: Annotated[int | None, typer.Option(help="Its columns.")] = None,
    density: Annotated[float, typer.Option(help="Part of X that is not zero; below 1 it is sparse (CSR).")] = 1.0,
    penalty: Annotated[float, typer.Option(help="On the sum scale: l2 = penalty / n.")] = 1.0,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float64",
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    threads: Annotated[int, typer.Option(help="Threads torch may use.")] = 1,
    gap: Annotated[float, typer.Option(help="To be reached, relative to f(x0) - f*.")] = GAP,
    machine: Annotated[str, typer.Option(help="Part of its name.", show_default="the only one")] = "",
    check: Annotated[bool, typer.Option("--check", help="What following the advice would have cost.")] = False,
    store: Annotated[Path, typer.Option(help="Folder that holds the runs.", show_default="reports/runs")] = DEFAULT,
) -> None:
    """Solvers by their predicted time to a gap: iterations, as on stored problems, times the cost of one, by a model
    that is fitted to the stored runs and to what the machine reaches.

    Example: python -m reports recommend --n 50000 --d 300 --density 0.1

    Example: python -m reports recommend --check
    """
    question = None if check else _question(n, d, density, penalty, dtype, device, threads, machine)
    if not 0 < gap < 1:
        fail(f"--gap must lie between 0 and 1, found {gap:g}")
    runs = load(store)
    if runs.frame.empty:
        fail(f"there are no runs in {str(store)!r}: make some with `{MORE}`")
    cells = experience(runs, gap)
    if question is None:
        table = regret(cells)
        if reason := too_few(table):
            fail(reason)
        _print_regret(table)
        typer.echo(covered(coverage(cells)))
        return
    try:
        found = answer(runs, cells, question)
    except ValueError as error:
        fail(str(error))
    _print(found, question, gap)


def _question(
    n: int | None, d: int | None, density: float, penalty: float, dtype: str, device: str, threads: int, machine: str
) -> Question:
    if n is None or d is None:
        fail("give the size with --n and --d, or ask for --check")
    if n < 1 or d < 1 or threads < 1:
        fail(f"--n, --d and --threads must be at least 1, found {n}, {d} and {threads}")
    if not 0 < density <= 1:
        fail(f"--density must lie above 0 and be at most 1, found {density:g}")
    if not 0 <= penalty < math.inf:
        fail(f"--penalty must not be negative, found {penalty:g}")
    if dtype not in DTYPES:
        fail(f"unknown dtype {dtype!r}: take {' or '.join(DTYPES)}")
    return Question(n, d, density, penalty, dtype, device, threads, machine)


def _print(found: Answer, question: Question, gap: float) -> None:
    columns = ("solver", "time", "90 % of the time", "with failures", "mostly", "iterations", "got there")
    table = Table(*columns, title_justify="left")
    table.title = escape(
        f"{question.n:,} x {question.d:,}, density {question.density:g}, penalty {question.penalty:g}, "
        f"to a gap of {gap:g}\n{question.dtype}, {question.device}, {question.threads} threads, {found.machine}"
    )
    for one in found.predictions:
        record = one.record
        told = math.isfinite(one.seconds)
        table.add_row(
            one.solver,
            seconds(one.seconds) if told else one.reason,
            f"{seconds(one.low)} to {seconds(one.high)}" if told else "-",
            seconds(one.score) if told else "-",
            one.part,
            f"{one.iterations:.3g}" if told else "-",
            f"on {record.arrived} of {record.tried} problems",
        )
    for solver, reason in found.refused.items():
        table.add_row(solver, reason, *["-"] * 5)
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    typer.echo(
        f"Costs from {found.cells} measured cells. Ranked by the time with failures: each counts as ten times as long. "
        "Has such advice been good? python -m reports recommend --check"
    )
    for remark in found.remarks:
        typer.echo(f"beware: {remark}")


def _print_regret(table: pd.DataFrame) -> None:
    shown = Table("problem", "setup", "recommended", "best", "regret", "best most often", "its regret")
    for row in table.to_dict("records"):
        bounds = [
            "> " * row[name] + f"{row[value]:.3g}"
            for name, value in (("at least", "regret"), ("its at least", "its regret"))
        ]
        setup = f"{row['dtype']}, {row['device']}, {row['threads']} threads, {row['machine']}"
        shown.add_row(
            row["problem"], escape(setup), row["recommended"], row["best"], bounds[0], row["trivial rule"], bounds[1]
        )
    Console(width=None if sys.stdout.isatty() else 200).print(shown)
    for line in verdict(table):
        typer.echo(line)
