"""The cases that the options of `run` choose, and those of them that can be measured here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
import typer

from benchmarks.command.terminal.errors import fail
from benchmarks.display.doing import doing
from benchmarks.runner.measure import problem_of
from benchmarks.runner.peers import refusal
from benchmarks.runner.suites import DTYPES, SUITES, Case, beside, every_solver, select, stepped
from datasets import DataError, build, plugins, present_device
from datasets.loaders.storage import sentences
from datasets.registry import recipe
from solvers import SOLVERS
from solvers.adapters import PEERS
from solvers.common.names import STEPPED, lookup
from solvers.named import canonical

MOST_REPEATS = 100_000
REMEDY = "`python -m datasets fetch` fetches files; the lines above name what else is missing"


def load_plugins(files: Sequence[Path]) -> None:
    """Put what the user brings into the registries; a sentence for each installed package that cannot be loaded."""
    try:
        left_out = plugins.load(files)
    except plugins.PluginError as error:
        fail(str(error))
    for sentence in left_out:
        typer.echo(f"left out {sentence}", err=True)


def cases_of(
    suites: Sequence[str],
    problems: Sequence[str],
    solvers: Sequence[str],
    devices: Sequence[str],
    dtypes: Sequence[str],
    threads: Sequence[int],
    repeats: int,
    time_limit: float | None,
    peers: Sequence[str] = (),
) -> list[Case]:
    """The cases of suites or problems. Raises ValueError for a wrong value, naming the option."""
    for name in problems:
        recipe(name)
    if problems and not suites:
        pools = {"": every_solver(problems)}
    else:
        suites = suites or ["quick"]
        pools = {suite: lookup(SUITES, suite, "suite")() for suite in suites}
    solvers = [canonical(name) for name in solvers]
    optimisers = [name for name in solvers if name.startswith(STEPPED)]
    pools = {suite: [*pool, *stepped(pool, optimisers)] for suite, pool in pools.items()}
    for names, registry, kind in (
        (peers, PEERS, "peer"),
        (dtypes, dict.fromkeys(DTYPES), "dtype"),
    ):
        for name in names:
            lookup(registry, name, kind)
    devices = _present(devices)
    if not 1 <= repeats <= MOST_REPEATS:
        raise ValueError(f"--repeats must be at least 1 and at most {MOST_REPEATS:,}, found {repeats}")
    check_threads(threads or [torch.get_num_threads()])
    if time_limit is not None:
        check_seconds("--time-limit", time_limit)
    ours = any(case.solver in SOLVERS for pool in pools.values() for case in pool)
    if peers:  # alone, unless solvers are named, too
        pools = {suite: [*(pool if solvers else ()), *beside(pool, peers)] for suite, pool in pools.items()}
    chosen = {
        suite: select(
            pool,
            problems=problems,
            solvers=[*solvers, *peers],
            dtypes=dtypes,
            devices=devices,
            threads=threads,
            time_limit=time_limit,
        )
        for suite, pool in pools.items()
    }
    cases = list(dict.fromkeys(case for found in chosen.values() for case in found))
    if not cases:
        quoted = " and ".join(repr(suite) for suite in suites)
        raise ValueError(f"suite {quoted} has no such problem with such a solver: name them without --suite")
    _tell_what_is_dropped(chosen, problems, [*solvers, *peers], bool(suites and peers and not solvers and ours))
    return cases


def _tell_what_is_dropped(
    chosen: dict[str, list[Case]], problems: Sequence[str], solvers: Sequence[str], peers_alone: bool
) -> None:
    """A line for each suite, problem, solver or peer that was named, and of which the other options leave nothing."""
    for suite, cases in chosen.items():
        if not cases:
            typer.echo(f"left out suite {suite!r}: it has no such problem with such a solver", err=True)
    for kind, names, there in (
        ("problem", problems, {case.problem for cases in chosen.values() for case in cases}),
        ("solver", solvers, {case.solver for cases in chosen.values() for case in cases}),
    ):
        for name in dict.fromkeys(names):
            if name not in there:
                word = "peer" if name in PEERS else kind
                typer.echo(f"left out {word} {name!r}: no suite that was named has a case of it", err=True)
    if peers_alone:
        typer.echo("left out our solvers, because --peer is there: name those you want with --solver", err=True)


def check_counts(**counts: int) -> None:
    """Raise ValueError for an option, by its name, that is below 1."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"--{name} must be at least 1, found {count}")


def check_seconds(option: str, seconds: float) -> None:
    if not 0 < seconds < math.inf:
        raise ValueError(f"{option} must be a positive number of seconds, found {seconds}")


def check_threads(threads: Sequence[int]) -> None:
    if any(not 1 <= count <= 1024 for count in threads):
        raise ValueError(f"--threads must lie between 1 and 1024, found {', '.join(map(str, threads))}")


def measurable(cases: list[Case], problems: Sequence[str]) -> list[Case]:
    """The cases that can be measured here; what is left out is reported on stderr, with the reason.

    problems: those that the user named, for which missing data is an error. Raises DataError or ValueError where
    nothing is left.
    """
    return _expressible(_with_data(cases, problems))


def _with_data(cases: list[Case], named: Sequence[str]) -> list[Case]:
    """The cases whose problem exists here, in their precision and on their device."""
    absent: dict[str, str] = {}
    for name in dict.fromkeys(case.problem for case in cases):
        try:
            with doing(f"loading {name}"):
                build(name)
        except DataError as error:
            if name in named:
                raise
            absent[name] = str(error)
    there = [case for case in cases if case.problem not in absent]
    refused = {case: reason for case in there if (reason := _refusal(case))}
    left = [case for case in there if case not in refused]
    left_out = sentences(absent | {case.problem: reason for case, reason in refused.items()})
    if refused and (not left or {case.problem for case in refused} & set(named) - {case.problem for case in left}):
        raise ValueError(left_out[-1])
    for sentence in left_out:
        typer.echo(f"left out {sentence}", err=True)
    if not left:
        raise DataError(f"none of these problems has its data here: {REMEDY}")
    return left


def _refusal(case: Case) -> str:
    """Why a problem does not exist in the precision or on the device of a case; empty where it does."""
    refuses = getattr(recipe(case.problem), "refusal", None)
    return refuses(case.dtype, case.device) if refuses else ""


def _expressible(cases: list[Case]) -> list[Case]:
    """The cases without the peers that are not installed or cannot express a problem."""
    reasons: dict[tuple[str, str], list[str]] = {}
    there = []
    for case in cases:
        if reason := refusal(case.solver, problem_of(case), case.stop) if case.solver in PEERS else "":
            reasons.setdefault((case.solver, reason), []).append(case.problem)
        else:
            there.append(case)
    left_out = [f"{peer} on {', '.join(dict.fromkeys(names))}: {reason}" for (peer, reason), names in reasons.items()]
    if left_out and not there:
        raise ValueError("; ".join(left_out))
    for sentence in left_out:
        typer.echo(f"left out {sentence}", err=True)
    return there


def _present(names: Sequence[str]) -> list[str]:
    """The devices that are there; the others are reported and left out, unless none is left."""
    found, absent = [], []
    for name in names:
        try:
            found.append(str(present_device(name)))
        except ValueError as error:
            absent.append(str(error))
    if absent and not found:
        raise ValueError(absent[0])
    for sentence in absent:
        typer.echo(f"left out: {sentence}", err=True)
    return list(dict.fromkeys(found))
