"""What every solver promises, whoever wrote it: each check is a function of a solver and ends in a Finding."""

from __future__ import annotations

import math
import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

from solvers import Result, Solver, Status, Stop, minimize
from solvers.objectives import FunctionObjective, LogisticRegression, Objective

from ..runner.deadline import OutOfTimeError, deadline
from .nasty import DTYPES, gap, nasty_problems, overlapping, promised

LONG = 60.0  # seconds: what is over after them hangs
SLACK = 3.0  # of what is promised to second order
HOSTILE: dict[str, Callable[[Tensor], Tensor]] = {
    "constant": lambda x: (0 * x).sum() + 1.0,
    "linear": lambda x: x.sum(),
    "no number": lambda x: x.sum() / 0.0 - x.sum() / 0.0,
    "no number away from the start": lambda x: torch.where(x.abs() < 1e-3, x.square(), torch.nan).sum(),
    "a kink": lambda x: x.abs().sum(),
    "a step": lambda x: torch.sign(x).sum(),
    "curved downwards": lambda x: -x.square().sum(),
    "as steep as numbers go": lambda x: (1e200 * x).square().sum(),
    "flat as numbers go": lambda x: (1e-200 * (x - 1)).square().sum(),
    "a cliff": lambda x: torch.exp(500 * (x - 1)).sum(),
}


@dataclass(frozen=True)
class Finding:
    """The outcome of a check. number: what was measured; sentence: what that is, and what is wrong where it failed."""

    name: str
    passed: bool
    number: float
    sentence: str


def check(solver: Solver) -> list[Finding]:
    """Every check of a solver; what it raises is a failure with the line that raised."""
    return [_finding(name, checked, solver) for name, checked in CHECKS.items()]


def _finding(name: str, checked: Callable[[Solver], Finding], solver: Solver) -> Finding:
    try:
        with warnings.catch_warnings(), deadline(LONG):
            warnings.simplefilter("ignore")
            return checked(solver)
    except OutOfTimeError:
        return Finding(name, False, LONG, f"it is not over after {LONG:g} seconds")
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        words = (str(error).strip().splitlines() or [""])[0]
        return Finding(name, False, math.nan, f"{at.filename}, line {at.lineno}: {type(error).__name__}: {words}")


def _counted(name: str, wrong: dict[str, str], total: int, what: str) -> Finding:
    """So many of so many are right; the first that is wrong is named."""
    words = f"{total - len(wrong)} of {total} {what}"
    first = next((f"; {case}: {found}" for case, found in wrong.items()), "")
    return Finding(name, not wrong, total - len(wrong), words + first)


def missed(solver: Solver, problem: LogisticRegression) -> str:
    """How a run from 0 falls short of the minimum and of the report of it; empty where it does not."""
    result = minimize(solver, problem)
    if result.status != Status.CONVERGED:
        return f"{result.status} ({result.message})"
    found, allowed = gap(problem, result.x), 2 * promised(problem, result.value, math.log(2))
    return "" if found <= allowed else f"converged at a gap of {found:.1e}, promised {allowed:.1e}"


PENALISED = list(product(DTYPES, (0.01, 0.3), (False, True)))


def penalised(dtype: torch.dtype, l2: float, fit_intercept: bool) -> LogisticRegression:
    return overlapping(200, 5, dtype=dtype, l2=l2, fit_intercept=fit_intercept, soft=l2 == 0.3)


def finds_the_minimum(solver: Solver) -> Finding:
    """Penalised logistic regression, 200 x 5, in both precisions, with and without an intercept."""
    wrong = {f"{case[0]}, l2 {case[1]}": words for case in PENALISED if (words := missed(solver, penalised(*case)))}
    return _counted("minimum", wrong, len(PENALISED), "penalised problems are solved, and reported so")


def sparse() -> LogisticRegression:
    return overlapping(200, 5, l2=0.1, fit_intercept=True, csr=True)


def finds_the_minimum_of_sparse_rows(solver: Solver) -> Finding:
    """The same with X in CSR layout."""
    words = missed(solver, sparse())
    return _counted("sparse rows", {"CSR": words} if words else {}, 1, "sparse problems are solved, and reported so")


def false_claims(solver: Solver, start: float, dtype: torch.dtype) -> dict[str, str]:
    """Of the nasty problems, from x = start: those where x is not finite, or `converged` is not true."""
    wrong = {}
    for kind, problem in nasty_problems(dtype).items():
        x0 = torch.full((problem.size,), start, dtype=dtype)
        result = minimize(solver, problem, x0, Stop(iterations=60))
        if not bool(result.x.isfinite().all()):
            wrong[kind] = "x is not finite"
        elif result.status == Status.CONVERGED:
            found, allowed = gap(problem, result.x), SLACK * promised(problem, result.value, _value(problem, x0))
            if not found <= allowed:
                wrong[kind] = f"converged at a gap of {found:.1e}, promised {allowed:.1e}"
    return wrong


def claims_are_true(solver: Solver) -> Finding:
    """Nineteen hard problems in both precisions, from 0 and from far away: what is called converged has converged."""
    starts = list(product((0.0, 100.0), DTYPES))
    wrong = {
        f"{kind} from {start:g} in {dtype}": words
        for start, dtype in starts
        for kind, words in false_claims(solver, start, dtype).items()
    }
    return _counted("claims", wrong, len(starts) * len(nasty_problems(DTYPES[0])), "runs on hard problems end honestly")


def differences(solver: Solver, dtype: torch.dtype) -> list[str]:
    """What differs between two runs of one solver with a run on another problem between them."""
    problem, other = overlapping(dtype=dtype, fit_intercept=True), overlapping(30, 7, seed=1, dtype=dtype, l2=0.1)
    runs = [minimize(solver, each, stop=Stop(iterations=50)) for each in (problem, other, problem)]
    first, second = runs[0], runs[2]
    traces = zip(first.trace.iterates, second.trace.iterates, strict=False)
    alike = {
        "status": first.status == second.status,
        "iterations": len(first.trace) == len(second.trace),
        "iterates": all(torch.equal(a, b) for a, b in traces),
        "counts": first.trace.counts == second.trace.counts,
    }
    return [name for name, same in alike.items() if not same]


def repeats(solver: Solver) -> Finding:
    """The same bits twice: nothing random without a seed, and no state that is kept on the solver."""
    wrong = {str(dtype): f"other {', '.join(found)}" for dtype in DTYPES if (found := differences(solver, dtype))}
    return _counted("repeats", wrong, len(DTYPES), "precisions repeat bit for bit, after a run on another problem")


def ending(solver: Solver, objective: Objective, x0: Tensor | None = None) -> str:
    """What is wrong with how a short run ends; empty for a status with a finite x, or one sentence that it raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result: Result = minimize(solver, objective, x0, Stop(iterations=15))
    except (ValueError, TypeError) as error:
        return "" if str(error) and "\n" not in str(error) else f"raises {error!r}"
    if not bool(result.x.isfinite().all()):
        return f"{result.status} with an x that is not finite"
    return "" if "\n" not in result.message else f"a message of several lines: {result.message!r}"


def ends_on_hostile_functions(solver: Solver) -> Finding:
    """Constant, linear, unbounded and broken functions in both precisions: a run ends with a status and a finite x."""
    cases = list(product(HOSTILE, DTYPES))
    wrong = {
        f"{kind} in {dtype}": words
        for kind, dtype in cases
        if (words := ending(solver, FunctionObjective(HOSTILE[kind]), torch.full((3,), 0.5, dtype=dtype)))
    }
    return _counted("hostile functions", wrong, len(cases), "runs on hostile functions end with a status")


def leaves_its_input_alone(solver: Solver) -> Finding:
    """The data, the start, and what a point has cached are as they were after a step."""
    problem = overlapping(l2=0.1, fit_intercept=True)
    x0 = torch.full((problem.size,), 0.1, dtype=torch.float64)
    point = problem.at(x0)
    given: dict[str, Tensor] = {"X": problem.X, "y": problem.y, "x": x0}
    given |= {"gradient": point.gradient, "hessian": point.hessian, "value": point.value}
    before = {name: tensor.clone() for name, tensor in given.items()}
    solver.step(point, solver.init(point))
    wrong = {name: "has changed" for name, tensor in given.items() if not torch.equal(tensor, before[name])}
    return _counted("input", wrong, len(given), "tensors that a step is given are as they were")


def keeps_dtype_and_shape(solver: Solver) -> Finding:
    """A step arrives at a point of the same objective, whose x has the shape and the precision of the last."""
    wrong: dict[str, str] = {}
    for dtype in DTYPES:
        point = overlapping(dtype=dtype, l2=0.1).at(torch.zeros(4, dtype=dtype))
        arrived: Any = solver.step(point, solver.init(point))
        if not isinstance(arrived, tuple) or len(arrived) != 2:
            wrong[str(dtype)] = "step returns no pair (point, state)"
        elif (moved := arrived[0].x).dtype != dtype or moved.shape != point.x.shape:
            wrong[str(dtype)] = f"x is {tuple(moved.shape)} in {moved.dtype}"
    return _counted("dtype and shape", wrong, len(DTYPES), "precisions are kept by a step")


def _value(problem: LogisticRegression, x: Tensor) -> float:
    return float(problem.at(x).value)


CHECKS: dict[str, Callable[[Solver], Finding]] = {
    "dtype and shape": keeps_dtype_and_shape,
    "input": leaves_its_input_alone,
    "minimum": finds_the_minimum,
    "sparse rows": finds_the_minimum_of_sparse_rows,
    "claims": claims_are_true,
    "repeats": repeats,
    "hostile functions": ends_on_hostile_functions,
}


def passed(findings: Iterable[Finding]) -> bool:
    return all(finding.passed for finding in findings)
