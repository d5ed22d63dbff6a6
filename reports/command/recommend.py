"""The verb `recommend`: which solver for a problem of this size, and a test of past advice."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.command.terminal.errors import fail
from datasets.folders import shown

from .output import GAP, RUNS, Json, print_json, print_table

DTYPES = ("float32", "float64")


def recommend(
    n: Annotated[int | None, typer.Option(help="Rows of the logistic regression.")] = None,
    d: Annotated[int | None, typer.Option(help="Columns of the logistic regression.")] = None,
    density: Annotated[float, typer.Option(help="Part of X that is not zero; below 1 it is sparse (CSR).")] = 1.0,
    penalty: Annotated[float, typer.Option(help="Penalty; l2 = penalty / n.")] = 1.0,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float64",
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    threads: Annotated[int, typer.Option(help="Threads torch may use.")] = 1,
    gap: Annotated[float, typer.Option(help="Target gap, as a fraction of f(x0) - f*.")] = GAP,
    machine: Annotated[str, typer.Option(help="Substring of the machine's name.", show_default="the only one")] = "",
    check: Annotated[
        bool, typer.Option("--check", help="Test past advice: each stored problem is predicted from the others.")
    ] = False,
    store: Annotated[Path, typer.Option(help="Folder that holds the runs.", show_default=shown(RUNS))] = RUNS,
    json: Json = False,
) -> None:
    """Rank solvers by their predicted time to a gap: the iterations that similar stored problems needed, times the cost
    of one, by a model that is fitted to the stored runs and to what the machine reaches.

    Example: python -m reports recommend --n 50000 --d 300 --density 0.1

    Example: python -m reports recommend --check
    """
    if not 0 < gap < 1:
        fail(f"--gap must lie between 0 and 1, found {gap:g}")
    if not check:
        _check(n, d, density, penalty, dtype, threads)

    from ..data.runs import load
    from ..recommend.experience import experience
    from ..recommend.lines import check_lines, plain, prediction_rows, question_title, regret_rows
    from ..recommend.recommend import Question
    from ..recommend.recommend import recommend as answer
    from ..recommend.regret import MEASURE_MORE, regret, too_few
    from ..text import records

    runs = load(store)
    if runs.frame.empty:
        fail(f"there are no runs in {str(store)!r}: make some with `{MEASURE_MORE}`")
    cells = experience(runs, gap)
    if check:
        table = regret(cells)
        if reason := too_few(table):
            fail(reason)
        if json:
            return print_json({"problems": records(table), "summary": check_lines(cells, table)})
        print_table(*regret_rows(table))
        typer.echo("\n".join(check_lines(cells, table)))
        return
    question = Question(n, d, density, penalty, dtype, device, threads, machine)
    try:
        found = answer(runs, cells, question)
    except ValueError as error:
        fail(str(error))
    if json:
        return print_json(plain(found, question, gap))
    print_table(*prediction_rows(found), question_title(found, question, gap), width=140)
    typer.echo(
        f"Costs from {found.cells} measured cases. Ranked by expected time; a failure counts as ten times the "
        "predicted time. To test past advice: python -m reports recommend --check"
    )
    for remark in found.remarks:
        typer.echo(f"note: {remark}")


def _check(n: int | None, d: int | None, density: float, penalty: float, dtype: str, threads: int) -> None:
    """An option that makes no sense ends the verb."""
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
