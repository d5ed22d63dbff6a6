"""Which solver is fastest: on each problem whose minimum is certified, in float64."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd

from ..data.repeats import DISTURBED, keys
from ..statistics.bootstrap import ratio
from ..statistics.estimate import Estimate, estimate_censored, show
from ..tables.contests import Contest
from ..text import listed, plural, seconds, setup, show_ratio
from .finding import FASTEST, NAMED, Finding

LEADERS = 4  # of those that tie for the first place, named
NUMBERS = ("Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")


def fastest(frame: pd.DataFrame) -> Iterator[Finding]:
    """Which solver is first at a relative gap of 1e-6, among runs that were to go on until they converge.

    Problems with disturbed runs are left out.
    """
    certified = frame[(frame["no_gap"] == "") & (frame["dtype"] == "float64") & frame["rules"].str.contains("gap")]
    for (device, count), runs in certified.groupby(["device", "threads"], sort=False):
        contests = [Contest.to_gap(problem, cells) for problem, cells in runs.groupby("problem", sort=False)]
        contests = [c for c in contests if len(c.times) > 1 and math.isfinite(c.median(c.ranked()[0]))]
        disturbed = sum(contest.disturbed for contest in contests)
        contests = [contest for contest in contests if not contest.disturbed]
        if not contests:
            continue
        named = sorted(contests, key=spread, reverse=True)
        more = f" {plural(len(named) - NAMED, 'more problem')} in the table of times to a gap." * (len(named) > NAMED)
        are = "is" if disturbed == 1 else "are"
        more += f" {plural(disturbed, 'problem')} {are} left out: {DISTURBED}." if disturbed else ""
        yield Finding(
            FASTEST,
            float(np.median([spread(c) for c in contests])),
            first_places(contests),
            f"{' '.join(map(order_on, named[:NAMED]))}{more} Times to a relative gap of 1e-6; "
            f"{setup('float64', device, count)}.",
            keys(runs),
        )


def spread(contest: Contest) -> float:
    """Decades from the first to the last that got there."""
    medians = [contest.median(label) for label in contest.times]
    return math.log10(max(filter(math.isfinite, medians)) / min(medians))


def leaders(contest: Contest) -> list[str]:
    """The first, and all from which enough repeats show no difference."""
    first, *rest = contest.ranked()
    tied = [label for label in rest if not contest.is_faster(first, label) and not contest.undecided(first, label)]
    return [first, *tied]


def undecided(contest: Contest) -> str:
    """Why the repeats do not show which solvers tie for the first place; empty where they do."""
    first, *rest = contest.ranked()
    return next(filter(None, (contest.undecided(first, label) for label in rest)), "")


def first_places(contests: list[Contest]) -> str:
    """The heading: which solver is fastest, or fastest most often, of the contests that the repeats decide."""
    reasons = [undecided(contest) for contest in contests]
    why = "; ".join(sorted({reason for reason in reasons if reason}))
    decided = [contest for contest, reason in zip(contests, reasons, strict=True) if not reason]
    if not decided:
        where = contests[0].name if len(contests) == 1 else f"all {len(contests)} problems"
        return f"Which solver is fastest is undecided on {where}: {why}"
    tied = [leaders(contest) for contest in decided]
    if len(contests) == 1:
        (labels,), (contest,) = tied, decided
        where = f"on {contest.name} ({seconds(contest.median(labels[0]))})"
        return (
            f"{labels[0]} is fastest {where}"
            if len(labels) == 1
            else f"{number(len(labels))} solvers tie for fastest {where}"
        )
    label, times = Counter(label for labels in tied for label in labels).most_common(1)[0]
    alone = tied.count([label])
    shared = f"fastest on {alone} of {len(contests)} problems" if alone else ""
    ties = f"tied for fastest on {times - alone}{'' if alone else f' of {len(contests)} problems'}" * (times > alone)
    rest = f"; {len(contests) - len(decided)} are undecided: {why}" if len(decided) < len(contests) else ""
    return f"{label} is {' and '.join(filter(None, [shared, ties]))}{rest}"


def number(count: int) -> str:
    """A small number as the first word of a sentence."""
    return NUMBERS[count - 2] if 2 <= count < len(NUMBERS) + 2 else str(count)


def order_on(contest: Contest) -> str:
    """Which solvers lead on one problem, how far behind the next and the last are, and how many did not get there; the
    order of the medians alone where the repeats decide nothing."""
    ranked, front = contest.ranked(), leaders(contest)
    arrived = [label for label in ranked if math.isfinite(contest.median(label))]
    missing = len(ranked) - len(arrived)
    end = f"; {missing} of {len(ranked)} solvers did not get there." if missing else "."
    if reason := undecided(contest):
        return f"On {contest.name} undecided ({reason}); by their medians {medians(contest, arrived)}{end}"
    verb = "take" if len(front) > 1 else "takes"
    words = f"On {contest.name} {listed(front, LEADERS)} {verb} {show(arrival(contest.times[front[0]]))}"
    behind = [label for label in arrived if label not in front]
    for label in dict.fromkeys((*behind[:1], *behind[-1:])):
        found = ratio(contest.times[label], contest.times[front[0]])
        words += f"; {label} takes {show_ratio(*found, digits=2)} times as long"
    return words + end


def arrival(times: np.ndarray) -> Estimate:
    """The median of times of which more than half are finite."""
    return estimate_censored(times, np.full(len(times), math.inf))


def medians(contest: Contest, labels: list[str]) -> str:
    """The first of some labels and the last, with their medians."""
    each = [f"{label} {seconds(contest.median(label))}" for label in labels]
    between = len(each) - LEADERS - 1
    return ", ".join(each[:LEADERS] + [f"{between} more"] * (between > 0) + each[LEADERS:][-1:])
