"""Time to a gap: try the settings of each contender, then time the fastest ones in turns."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from itertools import product
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from datasets import Problem
from solvers.adapters import Claim, Fit, MissingPeerError, Peer, rebuilt
from solvers.linalg.kernels import is_sparse
from solvers.objectives import LogisticRegression, SoftmaxRegression

from ..runner.deadline import OutOfTimeError, deadline
from ..runner.measure import sentence
from .memory import too_large

Model = LogisticRegression | SoftmaxRegression

TARGET = 1e-6  # relative to f(x0) - f*: the target of the scoreboard, and the gap that all reports compare at
TOLERANCES = tuple(10.0**-k for k in range(1, 14))
ENOUGH = 2  # tolerances that reach the gap: tighter ones only take longer
SPARSE = 0.3  # of the entries: below this share, CSR is tried too
MOST_DENSE = 1 << 28  # entries of X, two gigabytes: a sparse one with more is not tried as a dense one
TOO_SLOW = 3.0  # times the fastest fit that reached the gap: a setting so slow is not tried further
LONG = 1.0  # seconds: for longer fits, one is enough to choose the fastest setting
EXTRA_FITS = 3  # further fits of each setting that may be the fastest, where they are shorter
FEWEST_ROUNDS = 3  # of every contender, however slow it is
BATCH_SECONDS = 0.05  # seconds: a turn of a shorter fit is the median of as many as it holds
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


def sweep(peer: Peer, course: ScoreboardProblem, budget: float) -> tuple[Outcome, Fit | None]:
    """Try tolerances from loose to tight, in every layout and precision, until two of them reach the gap; return the
    fastest setting, ready to be timed.

    A fit over the budget, or over three times the fastest that reached the gap, ends the sweep of its layout and
    precision; one that took more than twice the budget, because native code cannot be interrupted, ends all of it.
    """
    entry, fits, refusals, unfit, best = Outcome(SHORT), {}, [], [], math.inf
    for layout, dtype in product(course.layouts, peer.dtypes):
        reached = 0
        try:
            objective = course.objective(layout, dtype)
            if reason := too_large(peer, objective):
                return Outcome(LARGE, reason), None
            try:
                fit = fits[layout, dtype] = ready(peer, objective)
            except ValueError as error:  # it cannot express this model, or not in this layout
                unfit.append(str(error))
                continue
            for tolerance in TOLERANCES:
                seconds, claim = timed(fit, tolerance, budget)
                if claim is None:
                    entry.status = SLOW
                    entry.trials.append(Trial(layout, dtype, tolerance, seconds, message=f"more than {budget:g} s"))
                    break
                gap = course.gap(claim.w)
                entry.trials.append(
                    Trial(layout, dtype, tolerance, seconds, gap, claim.iterations, claim.success, claim.message)
                )
                if gap <= TARGET:
                    reached, best = reached + 1, min(best, seconds)
                if reached == ENOUGH or seconds > max(
                    TOO_SLOW * best, BATCH_SECONDS
                ):  # the first call in a layout may take longest
                    break
        except MissingPeerError as error:
            return Outcome(MISSING, str(error)), None
        except Exception as error:  # one bad peer never ends a suite
            refusals.append(sentence(error))
        if entry.trials and entry.trials[-1].seconds > 2 * budget:
            break
    entry.best = fastest(entry.trials, fits, budget)
    if entry.best:
        entry.status = REACHED
        return entry, fits[entry.best.layout, entry.best.dtype]
    if entry.status == SLOW:
        entry.message = f"no fit within {budget:g} s reaches the gap"
    elif unfit and not entry.trials and not refusals:
        entry.status, entry.message = UNFIT, unfit[0]
    elif refusals and not entry.trials:
        entry.status, entry.message = ERROR, refusals[0]
    else:
        least = min((trial.gap for trial in entry.trials if trial.gap == trial.gap), default=math.nan)
        entry.message = "; ".join([f"the least gap is {least:.1e}", *refusals[:1]])
    return entry, None


def fastest(trials: list[Trial], fits: dict[tuple[str, str], Fit], budget: float) -> Trial | None:
    """The trial that reaches the gap in the least time; None where no trial does.

    Where fits are short, those within three times the least are repeated three times, and the least median wins. Of
    trials in one layout and precision with equally many iterations, which do the same, only the loosest counts.
    """
    different: dict[tuple[str, str, int | None], Trial] = {}
    for trial in trials:
        if trial.gap <= TARGET:
            different.setdefault((trial.layout, trial.dtype, trial.iterations or id(trial)), trial)
    if not different:
        return None
    best = min(different.values(), key=lambda trial: trial.seconds)
    near = [trial for trial in different.values() if trial.seconds <= TOO_SLOW * best.seconds]
    if best.seconds > LONG or len(near) == 1:
        return best
    heats = {trial: [] for trial in near}
    for _ in range(EXTRA_FITS):
        for trial, seconds in heats.items():
            seconds.append(timed(fits[trial.layout, trial.dtype], trial.tolerance, budget)[0])
    return min(near, key=lambda trial: median(heats[trial]))


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

    After three rounds a contender is dropped if its fits together took longer than the budget.

    never_dropped: contenders that run in every round.
    """
    rng, running = random.Random(SEED), list(fits)
    for number in range(repeats):
        rng.shuffle(running)
        progress(f"round {number + 1} of {repeats}")
        for name in list(running):
            entry = entries[name]
            leaves = number >= FEWEST_ROUNDS and sum(entry.seconds) > budget and name not in never_dropped
            if leaves or entry.status != REACHED:
                running.remove(name)
                continue
            try:
                seconds, claim = turn(fits[name], entry.best, budget)
            except Exception as error:
                entry.status, entry.message = ERROR, sentence(error)
                continue
            gap = course.gap(claim.w) if claim else math.nan
            if not gap <= TARGET:
                entry.status, entry.message = SHORT, f"round {number + 1} ended at a gap of {gap:.1e}"
                continue
            entry.seconds.append(seconds)


def turn(fit: Fit, best: Trial, budget: float) -> tuple[float, Claim | None]:
    """The median seconds of the fits of a turn, after one that fills the caches; and the last answer. A long fit is
    timed once, without one before it."""
    count = int(BATCH_SECONDS / best.seconds)
    if count:
        timed(fit, best.tolerance, budget)
    fits = [timed(fit, best.tolerance, 2 * budget) for _ in range(max(count, 1))]
    return median(seconds for seconds, _ in fits), fits[-1][1]
