"""Our solvers beside their peers: each at its fastest setting that reaches the same gap, timed in turns.

The gap (f - f*) / (f0 - f*) is evaluated outside of the solvers, in float64, with the certified f*. What a solver
reports about its own convergence is stored and not used. Data is in each library's preferred layout before the clock
starts, and in both precisions where the library takes both. On the clock is what a user of the library pays: all that
it does in `fit`, or the construction of an objective and the minimisation. The latter holds for our solvers, for the
peers that are given an objective in NumPy (scipy-numpy), and for those that are given ours (scipy, torch.optim,
pytorch-minimize): these are other methods with our kernels, and no library as its user calls it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from datasets import Problem, build, certificate, plugins
from solvers import Status, Stop, minimize
from solvers.adapters import PEERS, Claim, Fit, Peer
from solvers.named import solver_named
from solvers.objectives import LogisticRegression, SoftmaxRegression

from ..profiling.profile import verdict
from ..profiling.recording import profile
from ..runner.contenders import BY_GRADIENT, Contenders, versions
from ..runner.measure import sentence
from ..runner.suites import Case
from .scores import reference
from .sweep import limit, sweep
from .timing import TARGET, Outcome, ScoreboardProblem, race

PROBLEMS = (
    *("breast-cancer-l2", "synthetic-100x10", "synthetic-1000x24", "synthetic-1000x60", "synthetic-3000x4"),  # tiny
    *("synthetic-100000x10", "synthetic-tall", "synthetic-correlated-200000x100", "mnist-odd-even"),
    "synthetic-wide",
    *("synthetic-sparse", "a9a", "w8a", "one-hot", "reuters", "hashed"),  # sparse
    *("iris", "digits"),  # softmax
)  # whatever comes out: no problem leaves because it is lost


@dataclass(frozen=True)
class Ours:
    """A solver of ours as a contender: `minimize` on a new objective, stopped by the certified gap or by the gradient.

    The peers test the gradient, too; the test of the gap, which ours use by default, is on the clock.
    """

    takes_any_objective: ClassVar[bool] = True
    solves_by_rows: ClassVar[bool] = True  # where there are fewer rows, its matrices have the order of the rows

    solver: str
    by_gradient: bool = False
    iterations: int = Stop.iterations
    dtypes: tuple[str, ...] = ("float64", "float32")

    @property
    def needs(self) -> str:
        return getattr(solver_named(self.solver), "needs", "hessian")

    def stop(self, tolerance: float) -> Stop:
        test = "gradient_tolerance" if self.by_gradient else "gap_tolerance"
        return replace(Stop(gap_tolerance=None, iterations=self.iterations), **{test: tolerance})

    def prepare(self, objective: Any, start: Tensor | None = None) -> Fit:
        def fit(tolerance: float) -> Claim:
            result = minimize(solver_named(self.solver), objective, start, self.stop(tolerance))
            return Claim(result.x.double(), result.iterations, result.status is Status.CONVERGED, result.message)

        return fit


PROFILED = 7  # runs of the profile of the fastest of ours,
PROFILE_SECONDS = 5.0  # but one at least, and no more than such a time holds: each is made with phases, and without
OURS_TIMED = (
    "auto",
    "newton-cholesky",
    "newton-chebyshev",
    "newton-sampled",
    "newton-cg",
    "lbfgs",
    "barzilai-borwein",
)


def ours(names: Iterable[str]) -> dict[str, Peer]:
    return {f"hessbench:{name}{test}": Ours(name, bool(test)) for name in names for test in ("", BY_GRADIENT)}


OURS = ours(OURS_TIMED)  # in every race; the other solvers by --peer only
CONTENDERS: Contenders[Peer] = Contenders(
    lambda name: Ours(name.removesuffix(BY_GRADIENT), name.endswith(BY_GRADIENT)), lambda peer: peer, ("", BY_GRADIENT)
)


def timed() -> list[str]:
    """What races where nothing is named: plug-ins, too."""
    return [*OURS, *ours(plugins.names("solver")), *PEERS]


def measure_problem(
    name: str,
    threads: int,
    contenders: list[str],
    repeats: int,
    budget: float,
    progress: Callable[[str], None] = lambda what: None,
) -> dict[str, Any]:
    """The result of a race on one problem, as plain values. Raises ValueError for a problem without a known gap."""
    from threadpoolctl import threadpool_limits

    progress("data and certificate")
    problem = build(name)
    if not isinstance(problem.objective, (LogisticRegression, SoftmaxRegression)):
        raise ValueError(f"{name} is neither logistic nor softmax regression, which the peers fit: choose another")
    known = certificate(name)
    if known.no_gap:
        raise ValueError(f"{name} has no gap to reach ({known.no_gap}): choose another problem")
    course = ScoreboardProblem(problem, known.optimum, (known.high - known.low) / 2)
    load(contenders)
    before = torch.get_num_threads()
    entries, fits = {}, {}
    try:
        with threadpool_limits(threads):
            torch.set_num_threads(threads)
            for contender in contenders:
                progress(contender)
                fastest = min((entry.best.seconds for entry in entries.values() if entry.best), default=math.inf)
                entries[contender], fit = sweep(CONTENDERS[contender], course, limit(budget, fastest))
                if fit:
                    fits[contender] = fit
            race(entries, fits, course, repeats, budget, OURS, progress)
            progress("profile")
            bounded = limits(problem, course, entries, threads)
    finally:
        torch.set_num_threads(before)
    return {
        "problem": name,
        "n": course.n,
        "d": course.d,
        "density": course.density,
        "given": course.given,
        "threads": threads,
        "target": TARGET,
        "optimum": known.optimum,
        "bound": known.bound,
        "repeats": repeats,
        "budget": budget,
        "on_our_objective": [name for name in contenders if name in PEERS and PEERS[name].takes_any_objective],
        "entries": {contender: asdict(entry) for contender, entry in entries.items()},
        "limits": bounded,
        "plugins": versions(contenders),
    }


def limits(
    problem: Problem, course: ScoreboardProblem, entries: dict[str, Outcome], threads: int
) -> dict[str, Any] | None:
    """What limits the fastest of ours, from its profile at the setting that was timed; None where none reaches the gap.

    The seconds of a run, of its phases and of each limit (Profile.bounds); or `error`, why there are none. The run is
    `minimize` alone, without the construction of the objective, which is on the clock of a race.
    """
    name = reference({"entries": {contender: asdict(entry) for contender, entry in entries.items()}})
    if name is None:
        return None
    ours, best = CONTENDERS[name], entries[name].best
    runs = max(1, min(PROFILED, int(PROFILE_SECONDS / (2 * best.seconds))))
    try:
        objective = course.objective(best.layout, best.dtype)
        raced = replace(problem, objective=objective, x0=problem.x0.to(objective.X.dtype))
        case = Case(problem.name, ours.solver, stop=ours.stop(best.tolerance), dtype=best.dtype, threads=threads)
        found = profile(case, runs, builder=lambda dtype, device: raced)
    except Exception as error:  # the times are kept
        return {"error": sentence(error)}
    return {
        "seconds": found.uninstrumented,
        "instrumented": found.total,
        "bounds": found.bounds,
        "phases": {phase.name: phase.seconds for phase in found.phases if phase.seconds},
        "operations": found.operations,
        "verdict": verdict(found),
    }


def load(contenders: list[str]) -> None:
    """Import the libraries, for the number of threads can only be set of what is loaded. One may be missing, refuse the
    tiny problem or be broken: its sweep will say so."""
    tiny = LogisticRegression(torch.eye(2, dtype=torch.float64), torch.tensor([0.0, 1.0]), l2=1.0)
    for contender in contenders:
        with suppress(Exception):  # statsmodels takes no penalty; by then it is imported
            CONTENDERS[contender].prepare(tiny)
