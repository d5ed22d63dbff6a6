"""Who is how often how fast: performance profiles, data profiles, and who beats whom."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from ..data.provenance import distinct, many
from ..data.statistics import FEWEST
from ..data.targets import GAP
from .claims import Contest
from .costs import GRADIENT_DESCENT, seconds_an_iteration

FEWEST_PROBLEMS = 3  # a share of two problems is no share
MOST = 100.0  # the area under a profile ends here: who takes a hundred times as long as the fastest has no part in it


@dataclass(frozen=True)
class Race:
    """Times to the target of solvers that were all run on the same problems, on one machine.

    solvers: label -> name. contests: one a problem, in its order. units: seconds of an iteration of gradient descent on
    each, NaN where it was not run. runs: label -> the runs behind it. absent: problems, and solvers, that were left out
    so that every solver meets every problem.
    """

    machine: str
    solvers: dict[str, str]
    contests: tuple[Contest, ...]
    units: np.ndarray  # (problems,)
    runs: dict[str, tuple[str, ...]]
    absent_problems: tuple[str, ...] = ()
    absent_solvers: tuple[str, ...] = ()

    @property
    def times(self) -> np.ndarray:
        """Medians over the repeats, infinite where at most half of them got there: (problems, solvers)."""
        return np.array([[contest.median(label) for label in self.solvers] for contest in self.contests])


def races(frame: pd.DataFrame) -> list[Race]:
    """One a machine, of what can be compared: float64, the CPU, one thread, runs with a test of convergence, problems
    with a certified f*. A problem that was run under several rules counts under those that most solvers share."""
    if frame.empty:
        return []
    chosen = frame[(frame["dtype"] == "float64") & (frame["device"] == "cpu") & (frame["threads"] == 1)]
    chosen = chosen[(chosen["no_gap"] == "") & chosen["rules"].str.startswith("gap ")]
    found = [_race(machine, _one_case(runs)) for machine, runs in chosen.groupby("machine", sort=True)]
    return [race for race in found if race.contests]


def _one_case(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of a machine with the same rules for all solvers of a problem, and one case a solver."""
    shared = runs.groupby(["problem", "rules"]).agg(solvers=("plain_label", "nunique"), runs=("run", "nunique"))
    order = shared.sort_values(["solvers", "runs"], ascending=False, kind="stable").reset_index()
    rules = order.drop_duplicates("problem").set_index("problem")["rules"]
    runs = runs[runs["rules"] == runs["problem"].map(rules)]
    cases = (
        runs.groupby(["problem", "plain_label", "case"])["run"].nunique().sort_values(ascending=False, kind="stable")
    )
    kept = cases.reset_index().drop_duplicates(["problem", "plain_label"])["case"]
    return runs[runs["case"].isin(kept)]


def _race(machine: str, runs: pd.DataFrame) -> Race:
    """The solvers that met at least half as many problems as any, on the problems that all of them met."""
    met = runs.groupby("plain_label")["problem"].nunique()
    solvers = runs.drop_duplicates("plain_label").set_index("plain_label")["solver"].to_dict()
    entrants = {label: solvers[label] for label in sorted(solvers) if 2 * met[label] >= met.max()}
    taking_part = runs[runs["plain_label"].isin(entrants)]
    common = taking_part.groupby("problem")["plain_label"].nunique() == len(entrants)
    names = sorted(common.index[common])
    taking_part = taking_part[taking_part["problem"].isin(names)]
    contests = tuple(
        Contest(name, {label: cell.to_numpy() for label, cell in found.groupby(level="plain_label")})
        for name, found in times_to_target(taking_part).groupby(level="problem", sort=True)
    )
    costs = seconds_an_iteration(taking_part[taking_part["plain_label"] == GRADIENT_DESCENT])
    units = costs.groupby("problem")["cost"].median().reindex(names)
    return Race(
        machine,
        entrants,
        contests,
        units.to_numpy(float),
        {label: tuple(cell["run"].unique()) for label, cell in taking_part.groupby("plain_label")},
        tuple(sorted(set(runs["problem"]) - set(names))),
        tuple(sorted(set(solvers) - set(entrants))),
    )


def times_to_target(runs: pd.DataFrame) -> pd.Series:
    """Seconds of each run's first kept iterate within GAP, else infinity, by problem, label and run."""
    start = runs.groupby("run")["gap"].transform("first")
    times = runs["seconds"].where(runs["gap"] <= GAP * start, math.inf)
    return times.groupby([runs["problem"], runs["plain_label"], runs["run"]]).min()


# --- numbers of (problems, solvers)


def ratios(times: np.ndarray) -> np.ndarray:
    """t / min_s t (Dolan & More 2002), infinite where a solver never gets there, also if none does."""
    best = times.min(axis=1, keepdims=True)
    return np.divide(times, best, out=np.full(times.shape, np.inf), where=np.isfinite(times))


def shares(values: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """For each solver, the share of problems whose value is at most each bound: (solvers, bounds)."""
    return (values[:, :, None] <= bounds).mean(axis=0)


def wins(ratio: np.ndarray) -> np.ndarray:
    """The profile at tau = 1: (solvers,)."""
    return shares(ratio, np.array([1.0]))[:, 0]


def area(ratio: np.ndarray) -> np.ndarray:
    """The area under the profile over log tau from 1 to MOST, 1 for who is always the fastest: (solvers,)."""
    return np.clip(1 - np.log(ratio) / np.log(MOST), 0, None).mean(axis=0)


def flips(
    times: np.ndarray, labels: list[str], score: Callable[[np.ndarray], np.ndarray]
) -> list[tuple[str, str, str]]:
    """(a, b, c): a scores above b, and below it once c is dropped (Gould & Scott 2016)."""
    full, found = score(ratios(times)), []
    for dropped in range(len(labels) if len(labels) > 2 else 0):
        rest = [k for k in range(len(labels)) if k != dropped]
        part = dict(zip(rest, score(ratios(times[:, rest])), strict=True))
        for i, j in combinations(rest, 2):
            before, after = round(full[i] - full[j], 12), round(part[i] - part[j], 12)  # equal but for rounding: equal
            if before * after < 0:
                a, b = (i, j) if before > 0 else (j, i)
                found.append((labels[a], labels[b], labels[dropped]))
    return found


# --- tables


def scores(race: Race) -> pd.DataFrame:
    """How the solvers fared, by the medians over the repeats: the share of problems on which the target (a relative gap
    of 1e-6) was reached at all, reached first (the profile at tau = 1) and within twice the time of the first, and the
    area under the profile up to tau = 100, over log tau. But for the first of these they depend on who else takes part;
    the table of pairs does not. It alone knows how far the repeats scatter."""
    ratio = ratios(race.times)
    reached, within = np.isfinite(race.times).mean(axis=0), shares(ratio, np.array([2.0]))[:, 0]
    rows = [
        {
            **{"solver": label, "problems": len(race.contests), "reached": percent(reached[k])},
            **{"first": percent(wins(ratio)[k]), "within 2 x": percent(within[k]), "area": float(area(ratio)[k])},
            "runs": race.runs[label],
        }
        for k, label in enumerate(race.solvers)
    ]
    return pd.DataFrame(rows).sort_values("area", ascending=False, kind="stable", ignore_index=True)


def pairwise(race: Race) -> pd.DataFrame:
    """The share of problems on which the solver of the row reaches the target before the solver of the column, by more
    than the repeats scatter (95 % bootstrap interval of the ratio of medians), or alone. What is missing to 100 % with
    the opposite cell is undecided, for want of repeats or of a difference, or neither of the two gets there. Adding or
    dropping a solver changes no other cell."""
    rows = []
    for first in race.solvers:
        cells = {
            f"before {second}": "-"
            if first == second
            else percent(np.mean([before(contest, first, second) for contest in race.contests]))
            for second in race.solvers
        }
        rows.append({"solver": first} | cells | {"runs": race.runs[first]})
    return pd.DataFrame(rows)


def before(contest: Contest, first: str, second: str) -> bool:
    return contest.median(first) < contest.median(second) and contest.ahead(first, second)


def open_pairs(race: Race) -> str:
    """How many pairs of solvers on a problem have too few repeats for an order, as a sentence; empty for none."""
    pairs = [
        min(len(contest.times[a]), len(contest.times[b]))
        for contest in race.contests
        for a, b in combinations(race.solvers, 2)
        if contest.undecided(a, b) and math.isfinite(min(contest.median(a), contest.median(b)))
    ]
    few = [count for count in pairs if count < FEWEST]
    if not few:
        return ""
    every = len(race.contests) * math.comb(len(race.solvers), 2)
    return (
        f"Of {many(every, 'pair')} of solvers on a problem {len(few)} are undecided because there are too few repeats "
        f"({distinct(few)}; {FEWEST} are needed): of these the scores show the order of the medians alone."
    )


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def stability(race: Race) -> str:
    """Whether dropping one solver turns the order of two others around, in one sentence for each score."""
    sentences = []
    for name, score in (("at tau = 1", wins), ("by area", area)):
        found = flips(race.times, list(race.solvers), score)
        if len(race.solvers) < 3:
            continue
        pairs = len({frozenset(flip[:2]) for flip in found})
        if not found:
            sentences.append(f"The ranking {name} stays as it is whichever solver is dropped.")
            continue
        a, b, c = found[0]
        others = f", and {pairs - 1} more {'pairs' if pairs > 2 else 'pair'} turn around likewise" if pairs > 1 else ""
        sentences.append(f"The ranking {name} depends on who takes part: without {c}, {b} passes {a}{others}.")
    return " ".join(sentences)
