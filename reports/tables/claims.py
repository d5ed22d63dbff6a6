"""The five claims of the comparison this suite started from, each with its number and a verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from benchmarks.runner.suites import SUITES
from datasets import certificate

from ..data.repeats import DISTURBED, count_disturbed, keys, last_rows
from ..data.targets import times_to_target
from ..statistics.bootstrap import ratio
from ..statistics.estimate import too_few
from ..text import seconds
from .contests import Contest, by_label

CLASSIC, PENALISED = "breast-cancer", "breast-cancer-l2"
GD, NEWTON, DIAGONAL = "gradient-descent", "newton", "newton-diagonal"
DIAGONAL_1, DIAGONAL_01 = f"{DIAGONAL} rate 1", f"{DIAGONAL} rate 0.1"
UNPENALISED_SOLVERS = (GD, NEWTON, DIAGONAL_1, DIAGONAL_01)
PENALISED_SOLVERS = (GD, NEWTON, DIAGONAL)
AS_CHEAP = 1.10  # two iterations count as equally cheap if one takes at most this many times as long as the other


def comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """The runs that are judged: those of the suite `classic`, whatever else is stored, in float64.

    On one machine; on the CPU and with one thread where there are such. Labels are those of the suite.
    """
    classic = {case.key for case in SUITES["classic"]() if case.dtype == "float64"}
    chosen = frame[frame["case"].isin(classic) & (frame["status"] != "error")]
    chosen = chosen.assign(label=chosen["plain_label"])
    return chosen if chosen.empty else chosen[chosen["machine"] == chosen["machine"].iloc[-1]]


def contests(frame: pd.DataFrame) -> list[Contest]:
    """The whole runs as they were, the time to a test accuracy, and the time to a gap where there is an optimum."""
    classic, penalised = (frame[frame["problem"] == problem] for problem in (CLASSIC, PENALISED))
    whole = classic.drop_duplicates("run").set_index("run")["total_seconds"]
    ways = [
        ("the whole run (200, 30, 80, 80 iterations)", classic, whole, UNPENALISED_SOLVERS),
        ("test accuracy 0.90", classic, times_to_target(classic, "accuracy", 0.90), UNPENALISED_SOLVERS),
        ("test accuracy 0.95", classic, times_to_target(classic, "accuracy", 0.95), UNPENALISED_SOLVERS),
        ("gap 1e-6 with penalty", penalised, times_to_target(penalised), PENALISED_SOLVERS),
    ]
    found = []
    for name, runs, times, labels in ways:
        known = by_label(runs, times)
        found.append(Contest(name, {label: known[label] for label in labels}, bool(count_disturbed(runs))))
    return found


def verdict(answers: Mapping[str, bool | None], why: Mapping[str, str] | None = None) -> str:
    """ "true" where all answers are True, "false" where all are False; else where it holds, and where it is undecided,
    with the reason."""
    if set(answers.values()) == {True}:
        return "true"
    if set(answers.values()) == {False}:
        return "false"
    held = [name for name, answer in answers.items() if answer]
    reasons = {name: f" ({reason})" for name, reason in (why or {}).items() if reason}
    open_ = [name + reasons.get(name, "") for name, answer in answers.items() if answer is None]
    parts = ([f"only for {'; '.join(held)}"] if held else []) + ([f"undecided for {'; '.join(open_)}"] if open_ else [])
    return ". ".join(parts)


def claims(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a claim of the original comparison, with what was measured and a verdict. Times are medians of
    float64 runs on the CPU with one thread. Undecided: the repeats do not tell which of two solvers is first."""
    runs = comparable(frame)
    needed = {(CLASSIC, label) for label in UNPENALISED_SOLVERS} | {(PENALISED, label) for label in PENALISED_SOLVERS}
    if runs.empty or not needed <= set(zip(runs["problem"], runs["label"], strict=True)):
        missing = "Not all runs of the claims are there: `python -m benchmarks run --suite classic` makes them."
        return pd.DataFrame([{"claim": "all five", "measured": missing, "verdict": "undecided", "runs": ()}])
    runs = runs[[pair in needed for pair in zip(runs["problem"], runs["label"], strict=True)]]
    both, classic = keys(runs), keys(runs[runs["problem"] == CLASSIC])
    ways = contests(runs)
    rows = [
        (*_fastest(ways), both),
        (*_cheap(runs), classic),
        (*_faster_than_gradient_descent(runs), classic),
        (*_less_stable(runs), classic),
        (*_slowest(ways), both),
    ]
    return pd.DataFrame(rows, columns=["claim", "measured", "verdict", "runs"])


def judged(ways: list[Contest], holds: Callable[[Contest, str], bool | None], label: str) -> str:
    return verdict({c.name: holds(c, label) for c in ways}, {c.name: c.why_undecided() for c in ways})


def _fastest(ways: list[Contest]) -> tuple[str, str, str]:
    measured = ". ".join(contest.describe() for contest in ways)
    return "exact Newton is the fastest overall", measured, judged(ways, Contest.fastest, NEWTON)


def _slowest(ways: list[Contest]) -> tuple[str, str, str]:
    described = []
    for contest in ways:
        *_, last = contest.ranked()
        never = [label for label in contest.times if math.isinf(contest.median(label))]
        how = f"{' and '.join(never)} never got there" if never else f"{last} took {seconds(contest.median(last))}"
        described.append(f"{contest.name}: {how}")
    measured = ". ".join(described)
    return "gradient descent is the slowest", measured, judged(ways, Contest.slowest, GD)


def _cheap(runs: pd.DataFrame) -> tuple[str, str, str]:
    def per_iteration(label: str) -> np.ndarray:
        last = last_rows(runs[(runs["problem"] == CLASSIC) & (runs["label"] == label)])
        return (last["seconds"] / last["iteration"]).to_numpy()

    both = [per_iteration(label) for label in (DIAGONAL_01, GD)]
    found, low, high = ratio(*both)
    interval = f" (no interval: {too_few(min(map(len, both)))})" if math.isnan(low) else f" [{low:.2f}, {high:.2f}]"
    newton, *_ = ratio(per_iteration(NEWTON), per_iteration(GD))
    measured = (
        f"{found:.2f} times gradient descent's{interval} on 398 x 30 "
        f"({seconds(np.median(per_iteration(DIAGONAL_01)))} against {seconds(np.median(per_iteration(GD)))}); "
        f"exact Newton's: {newton:.2f} times"
    )
    cheap = True if high <= AS_CHEAP else False if low > AS_CHEAP else None
    why = too_few(min(map(len, both)))
    if count_disturbed(runs[runs["problem"] == CLASSIC]):
        cheap, measured, why = None, f"{measured} ({DISTURBED})", why or DISTURBED
    return (
        "a diagonal iteration is as cheap as gradient descent's",
        measured,
        verdict({"398 x 30": cheap}, {"398 x 30": why}),
    )


def _faster_than_gradient_descent(runs: pd.DataFrame) -> tuple[str, str, str]:
    at = 80
    runs = runs[runs["problem"] == CLASSIC]
    loss = {
        label: float(runs[(runs["label"] == label) & (runs["iteration"] == at)]["value"].iloc[0])
        for label in (GD, DIAGONAL_1, DIAGONAL_01)
    }
    held = {label.removeprefix(f"{DIAGONAL} "): loss[label] < loss[GD] for label in (DIAGONAL_1, DIAGONAL_01)}
    measured = f"training loss after {at} iterations: " + ", ".join(f"{k} {v:.3g}" for k, v in loss.items())
    return "diagonal Newton converges faster than gradient descent", measured, verdict(held)


def _less_stable(runs: pd.DataFrame) -> tuple[str, str, str]:
    runs = runs[runs["problem"] == CLASSIC]
    values = {label: runs[runs["label"] == label]["value"] for label in (GD, DIAGONAL_1, DIAGONAL_01)}
    # A loss that is not a number any more has left all bounds.
    peaks = {label: math.inf if losses.isna().any() else float(losses.max()) for label, losses in values.items()}
    start = float(runs[runs["iteration"] == 0]["value"].iloc[0])
    held = {label.removeprefix(f"{DIAGONAL} "): peaks[label] > start for label in (DIAGONAL_1, DIAGONAL_01)}
    rate = certificate(CLASSIC).diagonal_rate
    measured = (
        f"largest training loss on the way, {start:.3g} at the start: "
        + ", ".join(f"{k} {v:.3g}" for k, v in peaks.items())
        + f". lambda_max(D^-1 H) = {rate:.1f} at the start: rates below 2/{rate:.1f} = {2 / rate:.2f} are stable there"
    )
    return "diagonal Newton is less stable", measured, verdict(held)
