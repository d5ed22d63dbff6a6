"""The fastest setting of a contender: layout, precision, and the loosest tolerance that reaches the gap."""

from __future__ import annotations

import math
from itertools import product
from statistics import median

from solvers.adapters import Fit, MissingPeerError, Peer

from ..runner.measure import sentence
from .beforehand import too_large, too_long
from .timing import (
    BATCH_SECONDS,
    ERROR,
    LARGE,
    MISSING,
    REACHED,
    SHORT,
    SLOW,
    TARGET,
    UNFIT,
    Outcome,
    ScoreboardProblem,
    Trial,
    ready,
    timed,
)

TOLERANCES = tuple(10.0**-k for k in range(1, 14))
FIRST = 3  # of these: 1e-4, where a search begins
TOO_SLOW = 3.0  # times the fastest fit that reached the gap: a setting so slow is not tried further
FAR = 10.0  # times the fastest fit of all contenders: one that takes longer is not waited for,
LEAST_LIMIT = 1.0  # but for these seconds, for a first call may have much to do once
PATIENCE = 3.0  # times what one fit may take: what all fits of a sweep may take together
LONG = 0.3  # seconds: for longer fits, one is enough to choose the fastest setting
EXTRA_FITS = 3  # further fits of each setting that may be the fastest, where they are shorter


def limit(budget: float, fastest: float) -> float:
    """Seconds that a fit may take: the budget, or FAR times the fastest that has reached the gap so far."""
    return min(budget, max(LEAST_LIMIT, FAR * fastest))


def next_place(reached: dict[int, bool | None], first: int = FIRST) -> int | None:
    """The place in TOLERANCES to try next; None at the end.

    From `first` on to the loosest that reaches the gap, and one tighter, which may be the faster. reached: what was
    tried, None for a fit over the budget; if none before it reaches the gap, the search goes on from the loosest.
    """
    hits = [place for place, hit in reached.items() if hit]
    if hits:
        looser = min(hits) - 1
        place = looser if looser >= 0 and looser not in reached else min(hits) + 1
    elif None in reached.values():
        place = next(place for place in range(len(TOLERANCES) + 1) if reached.get(place) is not False)
    else:
        place = max(reached, default=first - 1) + 1
    return None if place in reached or place == len(TOLERANCES) else place


def sweep(peer: Peer, course: ScoreboardProblem, budget: float) -> tuple[Outcome, Fit | None]:
    """Search the tolerances in every layout and precision; return the fastest setting, ready to be timed.

    budget: seconds that a fit may take. One that takes longer, or over three times as long as the fastest that reached
    the gap, ends its layout and precision. The sweep ends with a fit that took more than twice the budget, because
    native code cannot be interrupted; where the loosest tolerance takes longer than it; and after PATIENCE budgets.
    """
    entry, fits, reasons = Outcome(SHORT), {}, []
    for layout, dtype in product(course.layouts, peer.dtypes):
        try:
            objective = course.objective(layout, dtype)
            try:
                fit = ready(peer, objective)
            except ValueError as error:  # it cannot express this model, or not in this layout
                reasons.append((UNFIT, str(error)))
                continue
            if reason := too_large(peer, objective):
                reasons.append((LARGE, reason))
                continue
            if reason := too_long(peer, objective, budget):
                reasons.append((SLOW, reason))
                continue
            fits[layout, dtype] = fit
            if not search(fit, layout, dtype, entry.trials, course, budget):
                break
        except MissingPeerError as error:
            return Outcome(MISSING, str(error)), None
        except Exception as error:  # one bad peer never ends a suite
            reasons.append((ERROR, sentence(error)))
    try:
        entry.best = fastest(entry.trials, fits, budget)
    except Exception as error:
        reasons.append((ERROR, sentence(error)))
    if entry.best:
        entry.status = REACHED
        return entry, fits[entry.best.layout, entry.best.dtype]
    spent = sum(trial.seconds for trial in entry.trials)
    if any(trial.seconds > budget for trial in entry.trials):
        entry.status, entry.message = SLOW, f"no fit within {budget:.3g} s reaches the gap"
    elif spent > PATIENCE * budget:
        entry.status, entry.message = SLOW, f"no fit reaches the gap, and together they took {spent:.3g} s"
    elif reasons and not entry.trials:
        entry.status, entry.message = reasons[0]
    else:
        least = min((trial.gap for trial in entry.trials if trial.gap == trial.gap), default=math.nan)
        entry.message = "; ".join([f"the least gap is {least:.1e}", *(reason for _, reason in reasons[:1])])
    return entry, None


def search(fit: Fit, layout: str, dtype: str, trials: list[Trial], course: ScoreboardProblem, budget: float) -> bool:
    """Try tolerances in one layout and precision, and add them to the trials; whether others are worth trying."""
    hits = [trial for trial in trials if trial.gap <= TARGET]  # in other settings
    best = min((trial.seconds for trial in hits), default=math.inf)
    first = min((TOLERANCES.index(trial.tolerance) for trial in hits), default=FIRST)
    reached: dict[int, bool | None] = {}
    while (place := next_place(reached, first)) is not None:
        tolerance = TOLERANCES[place]
        seconds, claim = timed(fit, tolerance, budget)
        if claim is None:
            trials.append(Trial(layout, dtype, tolerance, seconds, message=f"more than {budget:.3g} s"))
            reached[place] = None
        else:
            gap = course.gap(claim.w)
            told = claim.iterations, claim.success, claim.message
            trials.append(Trial(layout, dtype, tolerance, seconds, gap, *told))
            reached[place] = gap <= TARGET
            best = min(best, seconds) if gap <= TARGET else best
        if seconds > 2 * budget or sum(trial.seconds for trial in trials) > PATIENCE * budget:
            return False
        if seconds > max(TOO_SLOW * best, BATCH_SECONDS) or (hits and claim is None):
            return True  # below BATCH_SECONDS it goes on, for the first call in a layout may take longest
    return reached.get(0, False) is not None or math.isfinite(best)


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
