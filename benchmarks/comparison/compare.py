"""Solvers on problems, from Python: measured as `run` measures, returned as a frame."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.runner.environment import calibration, provenance
from benchmarks.runner.measure import evaluate, measure
from benchmarks.runner.suites import Case
from benchmarks.store.locks import Locks
from benchmarks.store.runs import Store, run_key, was_disturbed
from datasets import Certificate, Problem, build, certificate_of, plugins, uncertified
from datasets.certificates.certificate import FAMILIES
from solvers import SOLVERS, Solver, Stop
from solvers.adapters import PEERS
from solvers.named import canonical, solver_named

if TYPE_CHECKING:
    import pandas as pd

STOP = Stop(iterations=2000)  # as in the suite `quick`


@dataclass(frozen=True)
class Subject:
    """A problem to measure on, the same in float64 on the CPU to evaluate on, and what is certified of it."""

    problem: Problem
    exact: Problem
    known: Certificate


@dataclass(frozen=True)
class OwnCase(Case):
    """A case whose solver is an object of the caller's, under a name that no registry has."""

    made: Any = None

    def make_solver(self) -> Any:
        return self.made

    def all_settings(self) -> dict[str, Any]:
        """With a hash of the source of the class, as far as it can be found: settings alone do not tell a solver from
        its next version."""
        made = self.made
        try:
            source = hashlib.sha256(inspect.getsource(type(made)).encode()).hexdigest()[:16]
        except (OSError, TypeError):  # of a class that was typed into an interpreter
            source = ""
        settings = {f.name: getattr(made, f.name) for f in fields(made)} if is_dataclass(made) else vars(made)
        settings = {"class": type(made).__name__, "source": source, **settings}
        return json.loads(json.dumps(settings, default=lambda value: type(value).__name__))


def compare(
    problems: str | Problem | Iterable[str | Problem],
    solvers: str | Solver | Iterable[str | Solver] | Mapping[str, str | Solver],
    repeats: int = 10,
    store: Path | str | None = None,
    *,
    stop: Stop = STOP,
    threads: int = 1,
) -> pd.DataFrame:
    """Measure every solver on every problem `repeats` times: a row an iterate, as `python -m benchmarks run` stores it.

    problems: names, Problem objects, or one of these. solvers: names of solvers, names of peers (library:method),
        solver objects, one of these, or a dict from a name of your own to one. An object takes the name of its class,
        or, if that is registered, the registered name and what differs from its settings.
    store: a folder to write the runs to, too; runs that are there already are measured again and replaced.
    Repeats are the outer loop. Values are in float64 where the objective is one of ours, else in the problem's own
    precision. Of a foreign objective f* is not known: its gaps are NaN. What a solver raises is a row of status
    `error`. Raises ValueError or TypeError for wrong arguments before anything is measured.
    """
    import pandas as pd

    plugins.load()  # what installed packages and HESSBENCH_PLUGINS offer
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, found {repeats}")
    subjects = [_subject(each) for each in _several(problems, (str, Problem))]
    names = [subject.problem.name for subject in subjects]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two problems are called {min(twice)!r}: give each a name of its own")
    chosen = _contenders(solvers)
    cases = [
        replace(case, problem=name, stop=stop, threads=threads, dtype=str(x0.dtype)[6:], device=str(x0.device))
        for (name, x0), case in product([(each.problem.name, each.problem.x0) for each in subjects], chosen)
    ]
    if not cases:
        raise ValueError("there is nothing to compare: give at least one problem and one solver")
    target = None if store is None else Store(store)
    before = torch.get_num_threads()
    found: dict[tuple[int, int], list[dict[str, Any]]] = {}
    try:
        if target:
            target.prepare()
        with Locks(target.folder) if target else nullcontext() as locks:
            for repeat, (place, case) in product(range(repeats), enumerate(cases)):
                subject = subjects[place // len(chosen)]
                if target:
                    calibration(case.device, case.dtype, case.threads)  # before the first run of a kind
                rows = evaluate(measure(case, repeat, subject.problem), subject.known, subject.exact)
                key = run_key(case, repeat, subject.problem.checksum)
                if target:
                    target.write_rows(key, case, rows, disturbed=not locks.alone())
                origin = {"run": key, **provenance(case.device), "disturbed": was_disturbed(rows, case)}
                found[place, repeat] = [origin | row for row in rows]
    finally:
        torch.set_num_threads(before)
    return pd.DataFrame([row for at in sorted(found) for row in found[at]])


def _several(given: Any, single: tuple[type, ...]) -> list[Any]:
    return [given] if isinstance(given, single) or not isinstance(given, Iterable) else list(given)


def _subject(given: str | Problem) -> Subject:
    problem = build(given) if isinstance(given, str) else given
    if not isinstance(problem, Problem):
        raise TypeError(f"a problem is a name or a Problem, found {type(problem).__name__}: see problem_from_arrays")
    if problem.published is None and type(problem.objective) not in FAMILIES:
        exact = problem.in_float64() if hasattr(problem.objective, "to") else problem
        return Subject(problem, exact, uncertified(problem, "a foreign objective"))
    exact = problem.in_float64()
    return Subject(problem, exact, certificate_of(exact))


def _contenders(solvers: Any) -> list[Case]:
    """A case of each solver, on no problem yet."""
    if isinstance(solvers, Mapping):
        found = [_contender(solver, str(name)) for name, solver in solvers.items()]
    else:
        found = [_contender(solver) for solver in _several(solvers, (str,))]
    labels = [case.label for case in found]
    if twice := {label for label in labels if labels.count(label) > 1}:
        raise ValueError(f"two solvers are called {min(twice)!r}: give them as a dict from names to solvers")
    return found


def _contender(solver: Any, name: str = "") -> Case:
    if isinstance(solver, str):
        if solver not in PEERS:
            solver = canonical(solver)
        if name in ("", solver) or solver in PEERS:
            return Case("", solver, variant="" if name == solver else name)
        solver = solver_named(solver)
    if isinstance(solver, type) or not (hasattr(solver, "init") and hasattr(solver, "step")):
        raise TypeError(
            f"a solver is a name, or an object with init and step, found {solver!r}: peers go by their names"
        )
    if name in SOLVERS and solver == SOLVERS[name]:
        return Case("", name)
    if name in SOLVERS or name in PEERS:
        raise ValueError(f"{name!r} is the name of a registered solver, and this is another: choose another name")
    if name:
        return OwnCase("", name, made=solver)
    for known, registered in SOLVERS.items():
        if type(registered) is type(solver) and is_dataclass(solver):
            values = {f.name: getattr(solver, f.name) for f in fields(solver)}
            other = {key: value for key, value in values.items() if value != getattr(registered, key)}
            return Case("", known, tuple(other.items()), variant=", ".join(f"{key} {v}" for key, v in other.items()))
    return OwnCase("", type(solver).__name__, made=solver)
