"""The verb `scale`: one problem over more and more processes, and what that predicts for many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.command.cases import check_counts
from benchmarks.command.terminal.errors import fail
from benchmarks.command.terminal.interrupts import interruptible, report
from benchmarks.command.terminal.progress import progress_bar
from benchmarks.display.output import exact
from benchmarks.runner.environment import cores
from benchmarks.scale import network as networks
from benchmarks.scale import session
from benchmarks.scale.model import EXACT, PRODUCTS, RANKS, crossing, missed, predictions, sizes
from benchmarks.scale.model import networks as timed_networks
from benchmarks.scale.store import Measured, path, read, save
from benchmarks.scale.summary import bandwidth, lines, sums
from benchmarks.scale.team import TeamError
from benchmarks.store.runs import Store
from solvers import SOLVERS
from solvers.common.names import lookup

WIDTH = 150


def scale(
    *,
    n: int,
    d: int,
    processes: Sequence[int],
    solver: Sequence[str],
    network: Sequence[str],
    repeats: int,
    store: Path,
) -> None:
    try:
        for name in solver:
            lookup(SOLVERS, name, "solver")
        check_counts(n=n, d=d, repeats=repeats)
        counts = tuple(sorted({1, *(processes or default_processes())}))
        chosen = tuple(dict.fromkeys(solver or session.SOLVERS))
        plan = session.Plan(n, d, counts, chosen, tuple(dict.fromkeys(map(networks.check, network))), repeats)
        session.check(plan)
    except ValueError as error:
        fail(str(error))
    if max(counts) > (cores() or 1):
        typer.echo(
            f"warning: {max(counts)} processes share the {cores()} cores of this machine: they take turns", err=True
        )
    try:
        with interruptible(), progress_bar() as bar:
            rounds = bar.add_task("", total=repeats)

            def stored(measured: session.Session) -> None:
                report("done", save(measured, store).name, "round", measured.rows[-1]["repeat"] + 1, "of", repeats)
                bar.advance(rounds)

            Store(store).prepare()
            session.measure(plan, lambda what: bar.update(rounds, description=what), stored)
    except KeyboardInterrupt:
        typer.echo("interrupted: whole rounds are stored", err=True)
        raise typer.Exit(130) from None
    except TeamError as error:
        typer.echo(f"error: {error}; whole rounds are stored", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        fail(f"results cannot be stored in {str(store)!r} ({error.strerror}): name another folder with --store")
    file = path(plan, store)
    show(read(file), Console(width=max(WIDTH, Console().width)))
    typer.echo(f"Stored in {file}. Next: python -m reports build", err=True)


def default_processes() -> list[int]:
    """1, 2, 4, ... and as many as there are cores; 1 and 2 where there is one core."""
    most = max(cores() or 1, 2)
    return [*(2**k for k in range(most.bit_length()) if 2**k < most), most]


def show(measured: Measured, console: Console) -> None:
    """Times and efficiencies, what bounds them, and what they predict."""
    n, each = sizes(measured)
    found = lines(measured)
    title = f"{n:,} x {measured.plan.d}, processes of one thread, {max(line.runs for line in found)} runs each"
    table = _table(title, "solver", "network", "processes", "rows", "seconds", "strong", "weak", "waiting", "status")
    sent = _table("Of each process, an iteration (by formula)", "solver", "processes", "collectives", "bytes")
    for line in found:
        several = line.processes > 1
        table.add_row(
            *(line.solver, line.network or "-", str(line.processes), f"{line.rows:,}"),
            *(line.seconds.times(1), line.strong.times(1), line.weak.times(1)),
            *(f"{line.waiting:.0%}" if several else "-", line.status),
        )
        if several and not line.network:
            collectives = f"{line.collectives:.1f} ({line.collectives_by_formula:.1f})"
            numbers = f"{line.bytes:,.0f} ({line.bytes_by_formula:,.0f})"
            sent.add_row(line.solver, str(line.processes), collectives, numbers)
    console.print(table)
    console.print(f"strong: efficiency with {n:,} rows in all; weak: with {each:,} in each process\n")
    console.print(sent)
    for p, gbs in bandwidth(measured).items():
        console.print(f"memory, {p} {'processes' if p > 1 else 'process'}: {gbs.times(1)} GB/s")
    for (network, p, size), taken in sums(measured).items():
        place = f"over {network}" if network else "on this machine"
        console.print(f"a sum of {size:,} bytes over {p} processes {place}: {exact(taken.median)}")
    for name, reason in measured.left_out.items():
        console.print(f"not measured over {name}: {reason}")
    if disturbed := sum(line.disturbed for line in found):
        console.print(f"other work on the machine delayed {disturbed} of {sum(line.runs for line in found)} runs")
    predict(measured, console)


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", box=SIMPLE)


def predict(measured: Measured, console: Console) -> None:
    n, each = sizes(measured)
    title = f"Predicted, not measured: a core and a memory for each rank, {n:,} rows in all or {each:,} in each"
    table = _table(title, "solver", "network", "ranks", "strong", "weak")
    for found in predictions(measured):
        network = found.network or "as on this machine"
        table.add_row(found.solver, network, str(found.ranks), f"{found.strong:.2g}", f"{found.weak:.2g}")
    console.print(table)
    errors = missed(measured)
    worst = max(errors, key=lambda cell: abs(errors[cell]))
    console.print(
        f"The model misses the measured times over several processes by at most {abs(errors[worst]):.0%} "
        f"({worst[1]}, {worst[2]} processes{f' over {worst[0]}' if worst[0] else ''})."
    )
    if {EXACT, PRODUCTS} <= set(measured.plan.solvers):
        for name in timed_networks(measured):
            widths = [(ranks, crossing(measured, name, ranks)) for ranks in (1, 2, *RANKS)]
            words = ", ".join(f"{width:,.0f} ({ranks})" if math.isfinite(width) else f"never ({ranks})"
                              for ranks, width in widths)  # fmt: skip
            place = f"over {name}" if name else "on this machine"
            console.print(f"{EXACT} loses to {PRODUCTS}, {place}, predicted, from d (ranks): {words}")
