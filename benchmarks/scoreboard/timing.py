"""Time to a gap: a problem in every form, how one fit is timed, and the rounds in which contenders take turns."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from datasets import Problem
from solvers.adapters import Claim, Fit, Peer, rebuilt
from solvers.common.names import library
from solvers.linalg.kernels import is_sparse
from solvers.objectives import LogisticRegression, SoftmaxRegression

from ..runner.deadline import OutOfTimeError, deadline
from ..runner.measure import sentence

Model = LogisticRegression | SoftmaxRegression

TARGET = 1e-6  # relative to f(x0) - f*: the target of the scoreboard, and the gap that all reports compare at
SPARSE = 0.3  # of the entries: below this share, CSR is tried too
MOST_DENSE = 1 << 28  # entries of X, two gigabytes: a sparse one with more is not tried as a dense one
FEWEST_ROUNDS = 3  # of every contender, however slow it is
BEHIND = 5.0  # times the fastest of the same library: its further rounds would change nothing
BATCH_SECONDS = 0.02  # seconds: a turn of a shorter fit is the median of as many as it holds
SEED = 0  # of the order within the rounds

REACHED, SHORT, SLOW, ERROR = "reached", "not reached", "over budget", "error"
MISSING, UNFIT, LARGE = "missing", "other model", "too large"


@dataclass(frozen=True)
class Trial:
    """One fit: its setting, what it reports, and the gap it reached (NaN where it did not end)."""

    layout: str  # dense or csr
    dtype: str
    tolerance: float
    seconds: float
    gap: float = math.nan
    iterations: int | None = None
    success: bool = False
    message: str = ""


@dataclass
class Outcome:
    """A contender on one problem: how it went, every trial of its sweep, and the rounds at its fastest setting.

    status: reached, not reached (by no tolerance, or not in some timed fit), over budget (of time), missing (not
    installed), other model (the library does not fit this one), too large (for the memory), or error. best: the trial
    whose setting was timed. seconds: of round 0, 1, ...; slow contenders leave early.
    """

    status: str
    message: str = ""
    best: Trial | None = None
    trials: list[Trial] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


class ScoreboardProblem:
    """A problem in any layout and precision, and its gap."""

    def __init__(self, problem: Problem, optimum: float, optimum_error: float) -> None:
        self.exact = problem.objective
        X = self.exact.X
        self.n, self.d = X.shape
        self.optimum = optimum
        self.drop = float(self.exact.at(problem.x0).value) - optimum
        if not optimum_error <= 0.01 * TARGET * self.drop:
            raise ValueError(f"f* of {problem.name} is not known well enough for a gap of {TARGET:g}")
        self.given = "csr" if is_sparse(X) else "dense"
        self.density = float((X.values() if is_sparse(X) else X).count_nonzero()) / (self.n * self.d)
        tried = ["dense"] if self.given == "dense" or self.n * self.d <= MOST_DENSE else []
        tried += ["csr"] if self.density < SPARSE or not tried else []
        self.layouts = tuple(sorted(tried, key=lambda layout: layout != self.given))  # as it is given first
        self.made: dict[tuple[str, str], Model] = {}

    def objective(self, layout: str, dtype: str) -> Model:
        if (layout, dtype) not in self.made:
            f = self.exact
            X = f.X.to_sparse_csr() if layout == "csr" else f.X.to_dense()
            self.made[layout, dtype] = f.over(X.to(getattr(torch, dtype)))
        return self.made[layout, dtype]

    def gap(self, w: Tensor) -> float:
        """(f - f*) / (f0 - f*), in float64."""
        return (float(self.exact.at(w).value) - self.optimum) / self.drop


def ready(peer: Peer, objective: Model) -> Fit:
    """The prepared fit of a peer. One that evaluates our objective constructs it in each fit, so that the checks of the
    input are on the clock for every contender."""
    if not peer.takes_any_objective:
        return peer.prepare(objective)
    peer.prepare(objective)  # raises now what it would raise in a fit
    return lambda tolerance: peer.prepare(rebuilt(objective))(tolerance)


def timed(fit: Fit, tolerance: float, budget: float) -> tuple[float, Claim | None]:
    """Seconds of a fit, and its answer; None where it took longer than the budget."""
    began = perf_counter()
    try:
        with deadline(budget):
            claim = fit(tolerance)
            seconds = perf_counter() - began
    except OutOfTimeError:
        return perf_counter() - began, None
    return seconds, claim if seconds <= budget else None


def race(
    entries: dict[str, Outcome],
    fits: dict[str, Fit],
    course: ScoreboardProblem,
    repeats: int,
    budget: float,
    never_dropped: Container[str],
    progress: Callable[[str], None],
) -> None:
    """Time all contenders that reached the gap, in rounds with a new random order each, into their entries.

    After three rounds a contender is dropped if its fits together took longer than the budget, or if it is five times
    slower than the fastest of its library.

    never_dropped: contenders that the budget does not end.
    """
    rng, running = random.Random(SEED), list(fits)
    for number in range(repeats):
        rng.shuffle(running)
        progress(f"round {number + 1} of {repeats}")
        for name in list(running):
            entry = entries[name]
            over = name not in never_dropped and sum(entry.seconds) > budget
            if entry.status != REACHED or (number >= FEWEST_ROUNDS and (over or behind(name, running, entries))):
                running.remove(name)
                continue
            try:
                seconds, claim = turn(fits[name], entry.best, budget)
                gap = course.gap(claim.w) if claim else math.nan
            except Exception as error:
                entry.status, entry.message = ERROR, sentence(error)
                continue
            if not gap <= TARGET:
                entry.status, entry.message = SHORT, f"round {number + 1} ended at a gap of {gap:.1e}"
                continue
            entry.seconds.append(seconds)


def behind(name: str, running: list[str], entries: dict[str, Outcome]) -> bool:
    """Whether another contender of the same library is so much faster that this one can win nothing any more."""
    mates = [mate for mate in running if library(mate) == library(name) and entries[mate].status == REACHED]
    return median(entries[name].seconds) > BEHIND * min(median(entries[mate].seconds) for mate in mates)


def turn(fit: Fit, best: Trial, budget: float) -> tuple[float, Claim | None]:
    """The median seconds of the fits of a turn, after one that fills the caches; and the last answer. A long fit is
    timed once, without one before it."""
    count = int(BATCH_SECONDS / best.seconds)
    if count:
        timed(fit, best.tolerance, budget)
    fits = [timed(fit, best.tolerance, 2 * budget) for _ in range(max(count, 1))]
    return median(seconds for seconds, _ in fits), fits[-1][1]
