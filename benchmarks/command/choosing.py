"""The cases that the options of `run` choose."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import typer

from benchmarks.runner.suites import DTYPES, SUITES, Case, beside, every_solver, select
from datasets import DataError, build, present_device
from datasets.loaders.absent import sentences
from datasets.registry import recipe
from solvers import SOLVERS
from solvers.adapters import PEERS
from solvers.common.names import lookup

MOST = 100_000  # repeats of a case


def cases_of(
    suites: list[str],
    problems: list[str],
    solvers: list[str],
    devices: list[str],
    dtypes: list[str],
    threads: list[int],
    repeats: int,
    budget: float | None,
    peers: Sequence[str] = (),
) -> list[Case]:
    """The cases of suites or problems. Raises ValueError for what makes no sense, naming the option."""
    for name in problems:
        recipe(name)
    if problems and not suites:
        pool = every_solver(problems)
    else:
        suites = suites or ["quick"]
        pool = [case for suite in suites for case in lookup(SUITES, suite, "suite")()]
    for name in solvers:
        lookup(SOLVERS, name, "solver")
    for name in peers:
        lookup(PEERS, name, "peer")
    for name in dtypes:
        lookup(dict.fromkeys(DTYPES), name, "dtype")
    devices = _present(devices)
    if not 1 <= repeats <= MOST:
        raise ValueError(f"--repeats must be at least 1 and at most {MOST:,}, found {repeats}")
    most = torch.get_num_threads() if not threads else max(threads)
    if any(count < 1 for count in threads) or most > 1024:
        raise ValueError(f"--threads must lie between 1 and 1024, found {', '.join(map(str, threads))}")
    if budget is not None and not 0 < budget < math.inf:
        raise ValueError(f"--budget must be a positive number of seconds, found {budget}")
    if peers:  # alone, unless solvers are named, too
        pool = [*(pool if solvers else ()), *beside(pool, peers)]
    cases = select(
        pool,
        problems=problems,
        solvers=[*solvers, *peers],
        dtypes=dtypes,
        devices=devices,
        threads=threads,
        budget=budget,
    )
    if not cases:
        named = " and ".join(repr(suite) for suite in suites)
        raise ValueError(f"suite {named} has no such problem with such a solver: name them without --suite")
    return cases


def with_data(cases: list[Case], named: list[str]) -> list[Case]:
    """The cases whose data is there, in their precision and on their device: the others are named and left out, but a
    problem that was asked for must be."""
    absent: dict[str, str] = {}
    for name in dict.fromkeys(case.problem for case in cases):
        try:
            build(name)
        except DataError as error:
            if name in named:
                raise
            absent[name] = str(error)
    there = [case for case in cases if case.problem not in absent]
    refused = {case: reason for case in there if (reason := _refusal(case))}
    left = [case for case in there if case not in refused]
    reasons = absent | {case.problem: reason for case, reason in refused.items()}
    told = sentences(reasons)
    if refused and (not left or {case.problem for case in refused} & set(named) - {case.problem for case in left}):
        raise ValueError(told[-1])
    for sentence in told:
        typer.echo(f"left out {sentence}", err=True)
    if not left:
        raise DataError(f"none of these problems has its data here: {REMEDY}")
    return left


REMEDY = "`python -m datasets fetch` fetches files, and what was left out above says what else to do"


def _refusal(case: Case) -> str:
    """Why a problem is not there in the precision or on the device of a case; empty where it is."""
    refusal = getattr(recipe(case.problem), "refusal", None)
    return refusal(case.dtype, case.device) if refusal else ""


def _present(names: list[str]) -> list[str]:
    """The devices that are there; those that are not are named and left out, unless none is left."""
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
