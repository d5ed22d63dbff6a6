"""One measurement: warm up, run on the clock, and evaluate the iterates only afterwards."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import torch

from datasets import Certificate, Problem, build, certificate
from solvers import COUNTERS, Checkpoint, Result, Solver, Status, minimize, needs_hessian
from solvers.adapters import PEERS
from solvers.distributed import ShardedObjective
from solvers.objectives import Objective

from .disturbance import Watch
from .environment import float32_products, memory
from .peers import run_peer
from .suites import Case

MOST_EVALUATED = 2**16  # iterates whose quantities are remembered: some tens of MB
_evaluated: dict[tuple[str, ...], tuple[Any, dict[str, float]]] = {}
WARM_UP = 3  # iterations before the clock starts: they prepare allocators, threads and kernels
WARM_UP_SECONDS = 1.0  # after which no further one begins
SHARE = 0.7  # of the memory that the matrices may take
MATRICES = 3  # of a Hessian's size at once: itself, scaled, factored


@dataclass(frozen=True)
class Measurement:
    """A finished run: its result (None if the solver raised), what went wrong, and its time on the processors."""

    case: Case
    repeat: int
    result: Result | None
    message: str
    watch: Watch = field(default_factory=Watch)

    @property
    def status(self) -> Status:
        return self.result.status if self.result else Status.ERROR


@lru_cache(maxsize=8)
def _problem(name: str, dtype: str, device: str) -> Problem:
    return build(name, getattr(torch, dtype), device)


def problem_of(case: Case) -> Problem:
    """The problem of a case, in its precision and on its device."""
    return _problem(case.problem, case.dtype, case.device)


def measure(
    case: Case, repeat: int = 0, problem: Problem | None = None, checkpoint: Checkpoint | None = None
) -> Measurement:
    """Run a case once. The clock covers `minimize` and nothing else, including what a method computes from the data for
    itself; what the solver raises becomes a message. Peers, which cannot be stepped: see `peers.py`. problem: in place
    of the one of that name. checkpoint: where the run is saved."""
    torch.set_num_threads(case.threads)
    torch.set_float32_matmul_precision(float32_products())
    torch.backends.cudnn.allow_tf32 = float32_products() != "highest"
    problem, solver = problem or problem_of(case), case.make_solver()
    if reason := why_too_large(solver, problem):
        return Measurement(case, repeat, None, reason)
    warm_up = replace(
        case.stop,
        iterations=min(WARM_UP, case.stop.iterations),
        seconds=min(WARM_UP_SECONDS, case.stop.seconds),
    )
    watch = Watch()
    try:
        if case.solver in PEERS:
            result = run_peer(case.solver, solver, problem, case.stop, watch=watch)
            return Measurement(case, repeat, result, result.message, watch)
        minimize(solver, problem.objective, problem.x0, warm_up)
        if isinstance(
            problem.objective, Objective
        ):  # the cost of a product such as X X^T belongs to the method that needs it
            problem.objective.forget()
        with watch:
            result = minimize(solver, problem.objective, problem.x0, case.stop, checkpoint=checkpoint)
        watch.subtract_time_outside(result.seconds)
    except Exception as error:  # one bad solver never ends a suite
        if isinstance(problem.objective, ShardedObjective):  # the other processes would wait for this one
            raise
        return Measurement(case, repeat, None, sentence(error))
    return Measurement(case, repeat, result, result.message, watch)


def sentence(error: Exception) -> str:
    """The first line of an error."""
    words = str(error).strip().splitlines()
    return f"{type(error).__name__}: {words[0] if words else ''}"[:300]


def why_too_large(solver: Solver, problem: Problem) -> str:
    """Why a run would need more memory than there is; empty where it would not."""
    size, point = len(problem.x0), problem.objective.at(problem.x0)
    needs = MATRICES * size**2 * problem.x0.element_size() if needs_hessian(solver, point) else 0
    there = memory(problem.x0.device)
    if needs <= SHARE * there:
        return ""
    return (
        f"{size} coefficients make a Hessian too large: {MATRICES} matrices of that size take {needs / 2**30:.3g} GiB, "
        f"and the device has {there / 2**30:.3g}; choose a solver that needs only products, such as newton-cg"
    )


def evaluate(
    measurement: Measurement, known: Certificate | None = None, exact: Problem | None = None
) -> list[dict[str, Any]]:
    """One row a recorded iterate, off the clock: everything in float64, at new points of the float64 problem.

    value, gap (f - f*, NaN where there is no minimiser or f* is not known; no_gap is the reason), gradient_norm
    (max |g_i|), test_loss, train_accuracy, test_accuracy (NaN for a test function), norm (||w||), iterate (a digest of
    its bytes), the counters, the time on the processors (disturbance.py); settings (of the solver, as JSON) and
    solver_plugin, problem_plugin: the file and hash, or package and version, of what is no part of hessbench, or empty;
    deterministic: whether a run of the same code on the same machine must give the same bits. local_minimum: the known
    one at which the run ended, if it is not the lowest. A run that raised is one row without numbers. known: in place
    of the certificate of the problem, where computing that would take too long. exact: in place of the float64 problem
    of that name; values are in its precision.
    """
    case, result = measurement.case, measurement.result
    known = known or certificate(case.problem)
    common = {
        "problem": case.problem,
        "solver": case.solver,
        "label": case.label,
        "case": case.key,
        "rules": case.rules,
        "dtype": case.dtype,
        "device": case.device,
        "threads": case.threads,
        "repeat": measurement.repeat,
        "status": str(measurement.status),
        "message": measurement.message,
        "solver_plugin": case.solver_plugin,
        "problem_plugin": case.problem_plugin,
        "settings": json.dumps(case.describe()["settings"], sort_keys=True),
        "deterministic": deterministic(case),
        "budget": case.stop.seconds,
        "total_seconds": result.seconds if result else math.nan,
        "minimiser": bool(known.minimiser),
        "no_gap": known.no_gap,
        "optimum": known.optimum,
        "optimum_error": (known.high - known.low) / 2,
        **measurement.watch.columns(),
    }
    if result is None:
        return [common | {"iteration": 0, "seconds": 0.0, "iterate": ""}]
    exact = exact or _problem(case.problem, "float64", "cpu")
    common |= {"local_minimum": known.local_minimum(float(exact.objective.at(result.x.to(exact.x0)).value))}
    trace = result.trace
    return [
        common
        | {"iteration": iteration, "seconds": seconds, "iterate": digest(x)}
        | _quantities_once(exact, known, x.to(exact.x0))
        | dict(zip(COUNTERS, counts, strict=True))
        for iteration, seconds, x, counts in zip(
            trace.iterations, trace.seconds, trace.iterates, trace.counts, strict=True
        )
    ]


def deterministic(case: Case) -> bool:
    """On the CPU always: sums are split by the number of threads, which is part of the case. A GPU adds in the order in
    which its blocks finish, unless torch's deterministic algorithms are on."""
    return torch.device(case.device).type == "cpu" or torch.are_deterministic_algorithms_enabled()


def digest(x: torch.Tensor) -> str:
    """16 hexadecimal digits of the SHA-256 of an iterate's bytes."""
    return hashlib.sha256(x.detach().cpu().contiguous().numpy().tobytes()).hexdigest()[:16]


def _quantities_once(problem: Problem, known: Certificate, x: torch.Tensor) -> dict[str, float]:
    """The same bits of x give the same numbers: repeats on one device, whose iterates agree, are evaluated once."""
    about = problem.name, problem.checksum, known.no_gap, known.optimum, torch.get_num_threads()
    key = (*map(str, about), digest(x))
    objective, found = _evaluated.get(key, (None, {}))
    if objective is not problem.objective:  # a user's own problems may share a name and a checksum
        if len(_evaluated) >= MOST_EVALUATED:
            _evaluated.clear()
        found = _quantities(problem, known, x)
        _evaluated[key] = problem.objective, found
    return found


def _quantities(problem: Problem, known: Certificate, x: torch.Tensor) -> dict[str, float]:
    point, held_out = problem.objective.at(x), problem.held_out
    value = float(point.value)
    return {
        "value": value + 0.0,
        "gap": math.nan if known.no_gap else value - known.optimum,
        "gradient_norm": float(point.gradient.abs().max()),
        "test_loss": math.nan if held_out is None else float(held_out.at(x).value) + 0.0,
        "train_accuracy": math.nan if held_out is None else _accuracy(problem.objective, x),
        "test_accuracy": math.nan if held_out is None else _accuracy(held_out, x),
        "norm": float(x.norm()),
    }


def _accuracy(objective: Any, x: torch.Tensor) -> float:
    """NaN for an objective that knows none, such as a user's own module."""
    return objective.accuracy(x) if hasattr(objective, "accuracy") else math.nan
