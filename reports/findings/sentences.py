"""What can be told of the runs of one machine: one function a finding, silent where it does not hold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from datasets import Certificate, DataError, certificate
from solvers import Status
from solvers.common.names import library

from ..data.provenance import keys, many
from ..data.statistics import (
    BESIDE,
    CELL,
    Estimate,
    disturbed,
    estimate_censored,
    one_row_a_run,
    seconds,
    show,
)
from ..data.targets import GAP, NO_MINIMISER, time_to_target
from ..tables.claims import Contest, ratio
from ..tables.converged import judged

FASTEST, BELIEVED = "Which solver is fastest?", "Can the answers be believed?"
MISLEADS, MATTERS = "What misleads?", "Which setting matters?"
NAMED = 2  # problems told one by one
LEADERS = 4  # of those that share a place, told by name


@dataclass(frozen=True)
class Finding:
    """An answer to a question. Its rank are the decades it is about: log10 of a ratio of times, losses or counts."""

    question: str
    decades: float
    heading: str
    text: str
    runs: tuple[str, ...]


def known(problem: str) -> Certificate | None:
    """None where the problem or its data is not here."""
    try:
        return certificate(problem)
    except (DataError, ValueError):
        return None


# --- which solver is fastest


def fastest(frame: pd.DataFrame) -> Iterator[Finding]:
    """Who is first at a relative gap of 1e-6, on each problem whose minimum is certified, in float64.

    Problems with runs that were measured beside other work are left out. Among runs that were to go on until they
    converge: others stop short of the gap because they were told to.
    """
    certified = frame[(frame["no_gap"] == "") & (frame["dtype"] == "float64") & frame["rules"].str.contains("gap")]
    for (device, count), runs in certified.groupby(["device", "threads"], sort=False):
        contests = [
            Contest(
                problem,
                {label: gap_times(cell) for label, cell in cells.groupby("label", sort=False)},
                bool(disturbed(cells)),
            )
            for problem, cells in runs.groupby("problem", sort=False)
        ]
        contests = [c for c in contests if len(c.times) > 1 and math.isfinite(c.median(c.ranked()[0]))]
        waited = sum(contest.disturbed for contest in contests)
        contests = [contest for contest in contests if not contest.disturbed]
        if not contests:
            continue
        told = sorted(contests, key=spread, reverse=True)
        more = f" And {len(told) - NAMED} more problems." if len(told) > NAMED else ""
        more += f" Of {many(waited, 'problem')} nothing is said: {BESIDE}." if waited else ""
        yield Finding(
            FASTEST,
            float(np.median([spread(c) for c in contests])),
            first_places(contests),
            " ".join(map(race, told[:NAMED])) + more + f" In float64 on {device}, {many(count, 'thread')}.",
            keys(runs),
        )


def gap_times(cell: pd.DataFrame) -> np.ndarray:
    """Seconds of each repeat to the gap; infinite where it never got there."""
    return np.array([time_to_target(run, "gap", GAP) for _, run in cell.groupby("run")])


def spread(contest: Contest) -> float:
    """Decades from the first to the last that got there."""
    medians = [contest.median(label) for label in contest.times]
    return math.log10(max(filter(math.isfinite, medians)) / min(medians))


def leaders(contest: Contest) -> list[str]:
    """The first, and all from which enough repeats show no difference."""
    first, *rest = contest.ranked()
    return [
        first,
        *(label for label in rest if not contest.ahead(first, label) and not contest.undecided(first, label)),
    ]


def undecided(contest: Contest) -> str:
    """Why the repeats do not tell who shares the first place; empty where they do."""
    first, *rest = contest.ranked()
    return next(filter(None, (contest.undecided(first, label) for label in rest)), "")


def first_places(contests: list[Contest]) -> str:
    """Who is first most often, of the contests that the repeats decide."""
    reasons = [undecided(contest) for contest in contests]
    open_ = "; ".join(sorted({reason for reason in reasons if reason}))
    decided = [contest for contest, reason in zip(contests, reasons, strict=True) if not reason]
    if not decided:
        where = f" on all {len(contests)} problems" if len(contests) > 1 else ""
        return f"Which solver is first to a gap of 1e-6 is undecided{where}: {open_}"
    front = [leaders(contest) for contest in decided]
    ahead, times = Counter(label for labels in front for label in labels).most_common(1)[0]
    alone = front.count([ahead])
    if len(contests) > 1:
        shared = f", alone on {alone}" if alone else ", with others"
        rest = f"; {len(contests) - len(decided)} are undecided: {open_}" if open_ else ""
        return f"{ahead} is first to a gap of 1e-6 on {times} of {len(contests)} problems{shared}{rest}"
    if alone:
        return f"{ahead} is first to a gap of 1e-6"
    return f"{len(front[0])} solvers share the first place to a gap of 1e-6"


def race(contest: Contest) -> str:
    """Who leads on one problem, how far behind the next and the last are, and how many do not arrive; the order of the
    medians alone where the repeats decide nothing."""
    ranked, front = contest.ranked(), leaders(contest)
    arrived = [label for label in ranked if math.isfinite(contest.median(label))]
    missing = len(ranked) - len(arrived)
    end = f"; {missing} of {len(ranked)} did not get there." if missing else "."
    if reason := undecided(contest):
        return f"{contest.name}: undecided ({reason}). By their medians: {order(contest, arrived)}{end}"
    more = f" and {len(front) - LEADERS} more" if len(front) > LEADERS else ""
    told = f"{contest.name}: {', '.join(front[:LEADERS])}{more} after {show(arrival(contest.times[front[0]]))}"
    behind = [label for label in arrived if label not in front]
    for label in dict.fromkeys((*behind[:1], *behind[-1:])):
        found, low, high = ratio(contest.times[label], contest.times[front[0]])
        interval = "" if math.isnan(low) else f" [{low:.2g}, {high:.2g}]"
        told += f"; {label} needs {found:.2g}{interval} times as long"
    return told + end


def arrival(times: np.ndarray) -> Estimate:
    """The median of times of which more than half are finite."""
    return estimate_censored(times, np.full(len(times), math.inf))


def order(contest: Contest, labels: list[str]) -> str:
    """The first of some labels and the last, with their medians."""
    each = [f"{label} {seconds(contest.median(label))}" for label in labels]
    between = len(each) - LEADERS - 1
    return ", ".join(each[:LEADERS] + [f"{between} more"] * (between > 0) + each[LEADERS:][-1:])


def paired(frame: pd.DataFrame, column: str, one: object, other: object) -> Iterator[tuple[str, float, tuple]]:
    """Cases that differ in one column alone: their name, time of an iteration with the one as a multiple of that with
    the other, and the runs of both."""
    same = [name for name in ("problem", "label", "dtype", "device", "threads", "rules") if name != column]
    last = one_row_a_run(frame)
    last = last[last["iteration"] > 0]
    if "disturbed" in last:
        last = last[~last["disturbed"].eq(True)]
    last = last.assign(cost=last["seconds"] / last["iteration"])
    for key, cell in last.groupby(same, sort=False):
        a, b = (cell[cell[column] == value] for value in (one, other))
        times = [float(side["cost"].median()) for side in (a, b)]
        if all(0 < time < math.inf for time in times):
            yield f"{key[0]}, {key[1]}", times[0] / times[1], keys(pd.concat([a, b]))


def paired_finding(frame: pd.DataFrame, column: str, one: object, other: object, words: str) -> Iterator[Finding]:
    """By how much an iteration takes longer with the one, over all cases that were run with both."""
    pairs = list(paired(frame, column, one, other))
    if not pairs:
        return
    ratios = {name: value for name, value, _ in pairs}
    middle = float(np.median([value for _, value, _ in pairs]))
    low, high = min(ratios, key=ratios.__getitem__), max(ratios, key=ratios.__getitem__)
    yield Finding(
        MATTERS,
        abs(math.log10(middle)),
        f"{words}: an iteration takes {middle:.3g} times as long",
        f"The median over {many(len(pairs), 'case')} that were run both ways; the extremes are {ratios[low]:.3g} "
        f"({low}) and {ratios[high]:.3g} ({high}).",
        tuple(key for *_, runs in pairs for key in runs),
    )


def precision(frame: pd.DataFrame) -> Iterator[Finding]:
    yield from paired_finding(frame, "dtype", "float32", "float64", "float32 instead of float64")


def threads(frame: pd.DataFrame) -> Iterator[Finding]:
    yield from paired_finding(frame, "threads", 2, 1, "Two threads instead of one")


# --- can the answers be believed


def claimed(frame: pd.DataFrame) -> Iterator[Finding]:
    """Of the runs that said `converged` those whose certified gap says otherwise, as the honesty table judges them.
    What other libraries claim of themselves is in that table alone."""
    ours = frame[frame["solver"].map(library) == ""]
    if ours.empty:
        return
    ends = judged(ours)
    said = ends[ends["status"] == Status.CONVERGED]
    known_ = said[said["judged"]]
    if known_.empty:
        return
    wrong = known_[known_["beyond"]]
    worst = (known_["gap"] / known_["allowed"]).max()
    text = (
        f"At worst one ended {worst:.2g} times as far above the certified minimum as its rules allow; up to twice is "
        "within the error of the test."
        if wrong.empty
        else "They ended farther above the certified minimum than their rules allow, or on a problem without one: "
        f"{', '.join(sorted(set(wrong['problem'] + ' by ' + wrong['label'])))}."
    )
    rest = f" {many(len(said) - len(known_), 'more run')} cannot be judged." if len(said) > len(known_) else ""
    yield Finding(
        BELIEVED,
        math.log10(len(known_)) if wrong.empty else math.inf,
        f"{many(len(known_), 'run')} said converged, and {len(wrong) or 'none'} of them {be(len(wrong))} wrong",
        text + rest,
        keys(known_),
    )


def be(count: int) -> str:
    return "were" if count > 1 else "was"


def no_minimiser(frame: pd.DataFrame) -> Iterator[Finding]:
    """Problems that are proved to have no optimum; the rank is how far the loss fell there, and would go on falling."""
    without = frame[frame["no_gap"] == NO_MINIMISER]
    if without.empty:
        return
    names = list(without["problem"].unique())
    of = frame["problem"].nunique()
    told = [f"the {known_.n} training rows of {name} are linearly separable, with a margin of {known_.margin:.3f}"
            for name in names if (known_ := known(name)) and known_.minimiser is False and known_.margin > 0
            ]  # fmt: skip
    proof = f"A linear program proves it: {'; '.join(told[:NAMED])}. " if told else ""
    yield Finding(
        BELIEVED,
        fallen(without),
        f"{names[0]} has no minimiser" if len(names) == 1 else f"{len(names)} of {of} problems have no minimiser",
        f"{proof}The loss falls for ever as the weights grow, so there is no optimum to race to and no time to a gap; "
        "the tables say so instead of giving one.",
        keys(without),
    )


def fallen(runs: pd.DataFrame) -> float:
    """Decades from the highest start of the loss to its lowest value; 0 where no value is known."""
    start, least = runs.loc[runs["iteration"] == 0, "value"].max(), runs["value"].min()
    return math.log10(start / max(least, 1e-300)) if start > 0 and not math.isnan(least) else 0.0


def not_known(frame: pd.DataFrame) -> Iterator[Finding]:
    """Problems for which nothing is proved: neither where the optimum is nor that there is none."""
    without = frame[~frame["no_gap"].isin(["", NO_MINIMISER])]
    if without.empty:
        return
    names = list(without["problem"].unique())
    there = set(without.loc[without["minimiser"].eq(True), "problem"])
    parts = {
        "A minimiser exists, but f* is not known closely enough to measure a gap": [n for n in names if n in there],
        "Whether a minimiser exists is not known": [n for n in names if n not in there],
    }
    of = frame["problem"].nunique()
    yield Finding(
        BELIEVED,
        0.0,
        f"The optimum of {names[0] if len(names) == 1 else f'{len(names)} of {of} problems'} is not known",
        " ".join(f"{words}: {', '.join(named)}." for words, named in parts.items() if named)
        + " So there is no time to a gap, and no answer can be judged there.",
        keys(without),
    )


# --- what misleads


def ends(frame: pd.DataFrame) -> pd.DataFrame:
    """The last iterate of the first repeat of every case, by run, with where the run started and its best test loss."""
    first = frame[frame["repeat"] == frame.groupby(CELL)["repeat"].transform("min")]  # the others may have raised
    last = one_row_a_run(first).set_index("run")
    start = first[first["iteration"] == 0].set_index("run")["value"]
    return last.assign(start=start, best_test_loss=first.groupby("run")["test_loss"].min())


def overfitted(frame: pd.DataFrame) -> Iterator[Finding]:
    """The run whose test loss grew most after its best while its training loss fell."""
    last = ends(frame)
    growth = (last["test_loss"] / last["best_test_loss"])[last["value"] < last["start"]]
    growth = growth[np.isfinite(growth)]
    if growth.empty or growth.max() < 2:
        return
    end = last.loc[growth.idxmax()]
    run = frame[frame["run"] == growth.idxmax()]
    best = run.loc[run["test_loss"].idxmin()]
    yield Finding(
        MISLEADS,
        math.log10(growth.max()),
        f"A falling training loss hides a test loss that grows {growth.max():.2g}-fold",
        f"On {end['problem']} {end['label']} drives the training loss to {end['value']:.2g}. Its test loss is best at "
        f"iteration {best['iteration']} ({best['test_loss']:.4g}) and {end['test_loss']:.4g} at the end, when its "
        f"weights have a norm of {end['norm']:.3g}.",
        (growth.idxmax(),),
    )


def diverged(frame: pd.DataFrame) -> Iterator[Finding]:
    """The run that ended farthest above its start and still classified nine of ten test rows."""
    last = ends(frame)
    rise = (last["value"] / last["start"])[(last["test_accuracy"] >= 0.9) & (last["value"] > last["start"])]
    rise = rise[np.isfinite(rise)]
    if rise.empty:
        return
    end = last.loc[rise.idxmax()]
    certified = known(end["problem"])
    why = ""
    if end["solver"] == "newton-diagonal" and certified and certified.diagonal_rate > 2:
        why = (
            f" The largest eigenvalue of D^-1 H at the start is {certified.diagonal_rate:.1f}, and a unit step is "
            "stable only below 2."
        )
    yield Finding(
        MISLEADS,
        math.log10(rise.max()),
        "Test accuracy hides divergence",
        f"On {end['problem']} {end['label']} still shows {100 * end['test_accuracy']:.0f} % test accuracy at its end, "
        f"where its training loss is {end['value']:.2g}; it started at {end['start']:.3f}.{why}",
        (rise.idxmax(),),
    )
