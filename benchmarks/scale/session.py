"""What `python -m benchmarks scale` measures: the same problem over more and more processes, in turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from ..runner.environment import memory
from .network import NoNetworkError, namespaces
from .team import Team

BLOCK = 100_000  # rows that are drawn; more are copies of them
FEW = 20_000  # rows whose run shows what takes a fixed time; with 10,000 or fewer other kernels would compute
SHARE = 0.7  # of the memory that all rows may take
WARM_UP = 3  # iterations
SUMS = 20  # of each size
LONG = 500_000  # numbers of the longest sum
SOLVERS = ("newton-cholesky", "newton-cg", "lbfgs")


@dataclass(frozen=True)
class Cell:
    """So many processes with so many rows in all, on this machine or over a network."""

    processes: int
    rows: int
    network: str = ""


@dataclass(frozen=True)
class Plan:
    """n: the rows of all processes, a multiple of `copies`; each process has copies of the same block of rows."""

    n: int
    d: int
    processes: tuple[int, ...]
    solvers: tuple[str, ...]
    networks: tuple[str, ...] = ()
    repeats: int = 6

    @property
    def copies(self) -> int:
        """Of a block in all n rows: so many that they divide among any of the numbers of processes."""
        least = math.lcm(*self.processes)
        return least * math.ceil(self.n / (least * BLOCK))

    @property
    def block(self) -> int:
        return self.n // self.copies

    @property
    def cells(self) -> list[Cell]:
        """Strong scaling (n rows), weak scaling (n / p_max rows a process), one process with few rows of a block, and
        the networks."""
        rows = self.block * self.copies
        strong = [Cell(p, rows) for p in self.processes]
        weak = [Cell(p, p * rows // max(self.processes)) for p in self.processes]
        over = [Cell(p, rows, network) for network in self.networks for p in self.processes if p > 1]
        return list(dict.fromkeys([*strong, *weak, Cell(1, min(self.block, FEW)), *over]))


@dataclass
class Session:
    """The rows that were measured, and why a network was not."""

    plan: Plan
    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def check(plan: Plan) -> None:
    """ValueError where a plan cannot be measured."""
    if 1 not in plan.processes or len(plan.processes) < 2 or min(plan.processes) < 1:
        raise ValueError("--processes: name 1, to which the others are compared, and at least one larger number")
    if plan.block < 10 * plan.d:
        raise ValueError(
            f"{plan.n:,} rows of {plan.d} columns are too few: take at least {10 * plan.d * plan.copies:,}"
        )
    size, there = 8 * plan.d * sum(cell.rows for cell in plan.cells), memory("cpu")
    if size > SHARE * there:
        raise ValueError(
            f"the rows of all processes take {size / 2**30:.3g} GiB, and this machine has {there / 2**30:.3g}: choose "
            "a smaller --n"
        )


def measure(
    plan: Plan,
    progress: Callable[[str], None] = lambda what: None,
    stored: Callable[[Session], None] = lambda session: None,
) -> Session:
    """All cells, every solver, `repeats` times in turns. stored: called after each round. Raises TeamError.

    The processes of all cells live as long as the measurement; those that are not asked wait without work.
    """
    session = Session(plan)
    with ExitStack() as stack:
        teams = {}
        for cell in plan.cells:
            inside = None
            if cell.network in session.left_out:
                continue
            if cell.network:
                try:
                    inside = stack.enter_context(namespaces(cell.network))
                except NoNetworkError as error:
                    session.left_out[cell.network] = str(error)
                    continue
            progress(f"starting {described(cell)}")
            block = min(plan.block, cell.rows)
            copies = cell.rows // block // cell.processes
            teams[cell] = stack.enter_context(Team(cell.processes, block, copies, plan.d, inside))
            teams[cell].ready()  # one after another: they are made faster, and a failure has a name
        for cell, team in teams.items():
            for solver in plan.solvers:
                progress(f"warming up {solver}, {described(cell)}")
                team.ask("fit", solver=solver, iterations=WARM_UP)
        for repeat in range(plan.repeats):
            for row in _round(plan, teams, progress, f"round {repeat + 1} of {plan.repeats}: "):
                session.rows.append({"repeat": repeat} | row)
            stored(session)
    return session


def _round(
    plan: Plan, teams: dict[Cell, Team], progress: Callable[[str], None], which: str
) -> Iterator[dict[str, Any]]:
    for solver in plan.solvers:
        for cell, team in teams.items():
            progress(f"{which}{solver}, {described(cell)}")
            yield _of("fit", cell) | {"solver": solver} | _joint(team.ask("fit", solver=solver))
    whole = plan.block * plan.copies
    for cell, team in teams.items():
        if cell.rows < whole:
            continue
        if cell.processes > 1:
            for numbers in (1, plan.d * (plan.d + 1) // 2, LONG):
                yield _of("sum", cell) | _joint(team.ask("sum", numbers=numbers, count=SUMS))
        if not cell.network:
            yield _of("triad", cell) | {"gbs": sum(answer["gbs"] for answer in team.ask("triad"))}


def _of(what: str, cell: Cell) -> dict[str, Any]:
    return {"what": what, "processes": cell.processes, "rows": cell.rows, "network": cell.network}


def _joint(answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first process's, disturbed where one of them was."""
    disturbed = {"disturbed": any(answer["disturbed"] for answer in answers)} if "disturbed" in answers[0] else {}
    return answers[0] | disturbed


def described(cell: Cell) -> str:
    network = f" over {cell.network}" if cell.network else ""
    return f"{cell.processes} {'processes' if cell.processes > 1 else 'process'} with {cell.rows:,} rows{network}"
