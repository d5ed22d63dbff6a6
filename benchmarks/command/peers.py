"""The verb `peers`: the scoreboard, our solvers beside those of other libraries."""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table

from benchmarks.command.cases import check_counts, check_seconds, check_threads
from benchmarks.command.terminal.errors import fail
from benchmarks.command.terminal.interrupts import interruptible, report
from benchmarks.command.terminal.progress import progress_bar
from benchmarks.runner.contenders import versions
from benchmarks.runner.environment import memory
from benchmarks.runner.measure import SHARE, sentence
from benchmarks.runner.worker import limited_memory
from benchmarks.scoreboard import scores, standing
from benchmarks.scoreboard.contenders import CONTENDERS, OURS, PROBLEMS, measure_problem, timed
from datasets import DataError, build
from datasets.registry import recipe

WIDTH = 150


def peers(
    *,
    problem: list[str],
    threads: list[int],
    peer: list[str],
    repeats: int,
    time_limit: float,
    force: bool,
    store: Path,
) -> None:
    try:
        peer = CONTENDERS.known(peer, "peer")
        check_counts(repeats=repeats)
        check_threads(threads)
        check_seconds("--time-limit", time_limit)
        problems = _problems(problem)
    except (ValueError, DataError) as error:
        fail(str(error))
    contenders = list(dict.fromkeys([*OURS, *peer])) if peer else timed()
    cells = list(product(problems, dict.fromkeys(threads or [1])))
    try:
        with interruptible(), limited_memory(int(SHARE * memory("cpu"))):
            failed = _measure_all(cells, contenders, repeats, time_limit, force, store)
    except KeyboardInterrupt:
        typer.echo("interrupted: finished problems are stored; rerun the same command to continue", err=True)
        raise typer.Exit(130) from None
    except ValueError as error:
        fail(str(error))
    except OSError as error:
        fail(f"results cannot be stored in {str(store)!r} ({error.strerror}): name another folder with --store")
    results = [scores.read_file(scores.path(store, *cell)) for cell in cells if cell not in failed]
    order = {name: place for place, name in enumerate(problems)}
    results.sort(key=lambda result: (result["threads"], order[result["problem"]]))
    show(results, Console(width=max(WIDTH, Console().width)))
    if failed:
        raise typer.Exit(1)


def _problems(named: list[str]) -> list[str]:
    """The problems that the user named; or the default ones whose data is here, with a line for each of the others."""
    if named:
        for name in named:
            recipe(name)
        return list(dict.fromkeys(named))
    there = []
    for name in PROBLEMS:
        try:
            if getattr(recipe(name), "needs", ""):
                build(name)
            there.append(name)
        except DataError as error:
            typer.echo(f"left out {name}: {error}", err=True)
    return there


def _measure_all(
    cells: list[tuple[str, int]], contenders: list[str], repeats: int, time_limit: float, force: bool, store: Path
) -> list[tuple[str, int]]:
    """The cells that could not be measured, each with a line that says why."""
    store.mkdir(parents=True, exist_ok=True)
    failed: list[tuple[str, int]] = []
    with progress_bar() as bar:
        task = bar.add_task("", total=len(cells))
        for name, threads in cells:
            asked = (contenders, repeats, time_limit, versions(contenders))
            if force or not scores.measured(store, name, threads, *asked):
                title = f"{name}, threads: {threads}"
                told = partial(_tell, bar, task, title)
                try:
                    result = measure_problem(name, threads, contenders, repeats, time_limit, told)
                except ValueError:  # the scoreboard is not for this problem
                    raise
                except Exception as error:
                    typer.echo(f"{title}: {sentence(error)}", err=True)
                    failed.append((name, threads))
                else:
                    report("done", scores.write(store, result).name)
            bar.advance(task)
    return failed


def _tell(bar: Progress, task: TaskID, title: str, what: str) -> None:
    bar.update(task, description=f"{title}: {what}")


def show(results: list[dict[str, Any]], console: Console) -> None:
    """A table a problem, then the summary over problems."""
    for result in results:
        ours = scores.reference(result)
        title = (
            f"{result['problem']}: {result['n']:,} x {result['d']:,}, {result['density']:.0%} not zero, "
            f"threads: {result['threads']}; to a gap of {result['target']:g}; "
            f"ratios to {ours or 'none of ours, because none reaches it'}"
        )
        table = Table("contender", "setting", "gap", "iterations", "ms", "theirs / ours", title=title, box=SIMPLE)
        for row in scores.scores(result):
            if row.message:
                table.add_row(row.contender, escape(row.message), "-", "-", "-", "-")  # it may name an [extra]
                continue
            counted = "-" if row.iterations is None else str(row.iterations)
            name = f"[bold]{row.contender}[/]" if row.ours else row.contender
            table.add_row(name, row.setting, f"{row.gap:.1e}", counted, row.seconds.times(1e3), row.ratio.times(1))
        console.print(table)
    for threads in dict.fromkeys(result["threads"] for result in results):
        summary([result for result in results if result["threads"] == threads], threads, console)


def summary(results: list[dict[str, Any]], threads: int, console: Console) -> None:
    standings = [standing.standing(result) for result in results]
    table = Table(
        *("problem", "ours", "best peer", "ratio", "best of scikit-learn", "ratio"),
        *("best method on our objective", "ratio"),
        box=SIMPLE,
    )
    table.title = f"Against the best peer, threads: {threads} (a ratio above 1: ours is faster)"
    for each in standings:
        cells = [
            cell
            for row in (each.peer, each.scikit_learn, each.method)
            for cell in ((row.contender, row.ratio.times(1)) if row else ("none reaches the gap", "-"))
        ]
        table.add_row(each.problem, each.ours or "none reaches the gap", *cells)
    means = [f"{standing.overall(standings, other).mean:.3g}" for other in ("peer", "scikit_learn", "method")]
    table.add_row("geometric mean", *(cell for mean in means for cell in ("", mean)), style="bold")
    console.print(table)
    for verdict, words in (("won", "ours is faster"), ("lost", "the peer is faster"), ("undecided", "undecided")):
        names = [each.problem for each in standings if each.verdict == verdict]
        console.print(f"{words} on {len(names)} of {len(standings)}: {', '.join(names) or '-'}")
