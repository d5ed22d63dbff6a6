"""What can be found out about a solver or a peer by running it: facts, and tests that it passes or fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import torch
from torch import Tensor

from datasets import FUNCTIONS, build
from solvers import SOLVERS, Status, Stop, minimize
from solvers.adapters import PEERS
from solvers.named import solver_named
from solvers.objectives import LogisticRegression

from ..runner.contenders import parts
from ..runner.isolation import IsolatedRuns, Limits
from ..runner.measure import sentence
from ..runner.peers import refusal
from ..runner.suites import Case
from .conformance import check
from .simulated_cuda import SimulatedCuda

ROUNDING = 64  # units in the last place of f by which two evaluations may differ
REACHED = 1e-6  # the gap that counts as the minimum, relative to f(x0) - f*
FLAT = 1e-4  # a gradient above this part of the first one is none of a minimum
DESCENT = ("breast-cancer-l2", "iris", "synthetic-ill", "mlp-breast-cancer-mean10", "mgh-rosenbrock", "saddle-start")
SCALES = {"as it is": "", "columns times 1e-3 and 1e3": "columns", "f times 300": "f"}
ITERATIONS = 100  # all of which a trace keeps
MEMORY = 4 << 30  # bytes


@dataclass(frozen=True)
class Outcome:
    """An answer to a question. passed: None for a fact that is neither good nor bad."""

    part: str
    question: str
    passed: bool | None
    number: str
    detail: str = ""


@dataclass(frozen=True)
class Fitted:
    """The end of a run: x in float64 (None where it raised), what was claimed, and every iterate that is known."""

    x: Tensor | None
    claimed: bool
    words: str
    iterations: int
    iterates: tuple[Tensor, ...] = ()


def fit(name: str, objective: Any, x0: Tensor, seconds: float, iterations: int = 1000) -> Fitted:
    """One run of a contender, whatever happens in it."""
    try:
        if name in PEERS:
            claim = PEERS[name].prepare(objective, x0)(1e-8)
            return Fitted(claim.w.reshape(-1), bool(claim.success), claim.message, claim.iterations or 0, (x0, claim.w))
        found = minimize(solver_named(parts(name)[0]), objective, x0, Stop(seconds=seconds, iterations=iterations))
        words = f"{found.status}: {found.message}"
        return Fitted(found.x, found.status is Status.CONVERGED, words, found.iterations, tuple(found.trace.iterates))
    except Exception as error:  # an answer, too
        return Fitted(None, False, sentence(error), 0)


def promises(name: str, seconds: float) -> list[Outcome]:
    """What every registered solver promises: the checks of the verb `check`."""
    if name in PEERS:
        return []
    return [
        Outcome("promises", each.name, each.passed, f"{each.number:g}", each.sentence)
        for each in check(solver_named(parts(name)[0]))
    ]


def descent(name: str, seconds: float) -> list[Outcome]:
    """How often f rises from an iterate to the next, and whether it ends above the start."""
    findings = []
    for problem in DESCENT:
        built = build(problem)
        if name in PEERS and (reason := refusal(name, built, Stop())):
            findings.append(Outcome("descent", f"f along a run on {problem}", None, "-", reason))
            continue
        found = fit(name, built.objective, built.x0, seconds, ITERATIONS)
        if found.x is None:
            findings.append(Outcome("descent", f"f along a run on {problem}", False, "-", found.words))
            continue
        values = [float(built.objective.at(x.double().reshape(-1)).value) for x in found.iterates]
        noise = ROUNDING * torch.finfo(torch.float64).eps
        rises = [b - a for a, b in pairwise(values) if b > a + noise * max(abs(a), abs(b))]
        number = f"{len(rises)} of {len(values) - 1} steps rise" + (f", by {max(rises):.2g} at most" if rises else "")
        if name in PEERS:
            number = f"{values[0]:.3g} at the start, {values[-1]:.3g} at the end"
        higher = not values[-1] <= values[0]
        detail = f"it ends at {values[-1]:.3g}, above the start, {values[0]:.3g}" if higher else ""
        findings.append(Outcome("descent", f"f along a run on {problem}", not higher, number, detail))
    return findings


def rows(scaled: str = "") -> LogisticRegression:
    """300 rows of 6 columns, with an intercept; columns, or f, in other units."""
    generator = torch.Generator().manual_seed(1)
    X = torch.randn(300, 6, generator=generator, dtype=torch.float64)
    y = torch.bernoulli(torch.sigmoid(X[:, 0] - X[:, 1]), generator=generator)
    if scaled == "columns":
        X = X * torch.tensor([1e-3, 1e3] * 3, dtype=torch.float64)
    return LogisticRegression(X, y, fit_intercept=True, reduction="sum" if scaled == "f" else "mean")


def units(name: str, seconds: float) -> list[Outcome]:
    """Whether the same problem in other units is as easy: no penalty, so that the minimum is the same."""
    findings, usual = [], None
    for words, scaled in SCALES.items():
        f = rows(scaled)
        start = f.zeros()
        found = fit(name, f, start, seconds)
        question = f"logistic regression, 300 x 6, {words}"
        if found.x is None:
            findings.append(Outcome("units", question, False, "-", found.words))
            continue
        best = minimize(SOLVERS["newton-levenberg"], f, stop=Stop(gap_tolerance=1e-13)).value
        gap = (float(f.at(found.x.double()).value) - best) / (float(f.at(start).value) - best)
        passed = gap <= REACHED
        number = f"gap {max(gap, 0.0):.1e} after {found.iterations} iterations"
        detail = found.words if not passed else ""
        if usual is not None and passed and usual and found.iterations > 2 * usual + 2:
            detail = f"{found.iterations / max(usual, 1):.1f} times as many iterations as in the usual units"
        usual = found.iterations if usual is None else usual
        findings.append(Outcome("units", question, passed, number, detail))
    return findings


def device(name: str, seconds: float) -> list[Outcome]:
    """On a simulated CUDA device: does it mix devices, how often does the host wait, and is the end the same?"""
    question = "a run on a simulated CUDA device"
    if name in PEERS:
        return [Outcome("device", question, None, "-", "a method of another library is measured on the CPU alone")]
    f = rows()
    here = fit(name, f, f.zeros(), seconds, 10)
    with SimulatedCuda() as simulated:
        there_f = LogisticRegression(f.X.to(simulated.name), f.y.to(simulated.name), fit_intercept=True)
        fit(name, there_f, there_f.zeros(), seconds, 10)  # fills the caches of the objective
        simulated.reads.clear()
        there = fit(name, there_f, there_f.zeros(), seconds, 10)
        reads, late = sum(simulated.reads.values()), len(simulated.pending)
        x = None if there.x is None else there.x.detach().cpu()
    if x is None or here.x is None:
        return [Outcome("device", question, False, "-", there.words if x is None else here.words)]
    same = torch.allclose(x, here.x, rtol=1e-6, atol=1e-9)
    late_words = f"; {late} copies to the host that nobody waited for" if late else ""
    number = f"{reads / max(1, there.iterations):.1f} reads by the host an iteration{late_words}"
    words = "" if same else "it ends elsewhere than on the CPU: does it read the device without waiting?"
    return [Outcome("device", question, same, number, words)]


def repeats(name: str, seconds: float) -> list[Outcome]:
    """Whether two runs give the same bits."""
    f = rows()
    first, second = (fit(name, f, f.zeros(), seconds, 20) for _ in range(2))
    if first.x is None or second.x is None:
        return [Outcome("repeats", "two runs", False, "-", first.words)]
    same = first.iterations == second.iterations and torch.equal(first.x, second.x)
    difference = float((first.x.double() - second.x.double()).abs().max())
    words = "" if same else "it draws random numbers without a seed of its own, or keeps a state between runs"
    return [Outcome("repeats", "two runs", same, f"they differ by {difference:.1e}", words)]


def functions(
    name: str, seconds: float, step: Callable[[str], None] = lambda words: None
) -> tuple[list[Outcome], list[dict[str, Any]]]:
    """The test functions: how many minima it finds, and claims where there is none. The findings, and a row each."""
    solver, results = name if name in PEERS else parts(name)[0], []
    with IsolatedRuns(Limits(seconds + 10.0, MEMORY)) as runs:
        for function in FUNCTIONS:
            step(f"{function.name}: {name}")
            case = Case(function.name, solver, stop=Stop(iterations=1000, seconds=seconds))
            if solver in PEERS and (reason := refusal(solver, build(function.name), case.stop)):
                results.append({"function": function.name, "end": "cannot express", "status": reason})
                continue
            results.append({"function": function.name} | _ended(runs.rows(case, 0)))
    ends = [row["end"] for row in results]
    asked = len(ends) - ends.count("cannot express")
    if not asked:
        return [Outcome("functions", "test functions", None, "-", results[0]["status"])], results
    found = ends.count("minimum") + ends.count("local minimum")
    false = [row["function"] for row in results if row["end"] == "false claim"]
    raised = [row["function"] for row in results if row["end"] == "raised"]
    iterations = [row["iterations"] for row in results if row["end"] == "minimum"]
    number = f"{found} of {asked}" + (f", in {median(iterations):.0f} iterations (median)" if iterations else "")
    return [
        Outcome("functions", "minima found of the test functions", None, number),
        Outcome("functions", "false reports of convergence there", not false, str(len(false)), ", ".join(false)),
        Outcome("functions", "runs that raised", not raised, str(len(raised)), ", ".join(raised)),
    ], results


def _ended(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Where a run on a test function ended, from its rows."""
    last = rows[-1]
    numbers = {"iterations": last["iteration"], "gap": last.get("gap"), "message": last["message"]}
    return {"end": _place(rows), "status": last["status"]} | numbers


def _place(rows: list[dict[str, Any]]) -> str:
    first, last = rows[0], rows[-1]
    if "gap" not in last:
        return "raised"
    scale = first["gap"] if first["gap"] > 0 else 1.0
    if last["gap"] <= REACHED * scale:
        return "minimum"
    if last["local_minimum"] == last["local_minimum"] and last["local_minimum"] is not None:
        return "local minimum"
    steep = last["gradient_norm"] > FLAT * max(first["gradient_norm"], FLAT)
    return "false claim" if last["status"] == Status.CONVERGED and steep else "elsewhere"
