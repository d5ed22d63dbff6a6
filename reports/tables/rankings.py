"""Solvers that were all run on the same problems: what performance profiles and pairs are read from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..data.targets import times_to_target
from .contests import Contest, by_label
from .costs import GRADIENT_DESCENT, seconds_an_iteration


@dataclass(frozen=True)
class Ranking:
    """Times to the target of solvers that were all run on the same problems, on one machine.

    solvers: label -> name. contests: one a problem, in its order. units: seconds of an iteration of gradient descent on
    each, NaN where it was not run. runs: label -> the keys of its runs. other: problems, and solvers, that were left
    out so that every solver meets every problem.
    """

    machine: str
    solvers: dict[str, str]
    contests: tuple[Contest, ...]
    units: np.ndarray  # (problems,)
    runs: dict[str, tuple[str, ...]]
    other_problems: tuple[str, ...] = ()
    other_solvers: tuple[str, ...] = ()

    @property
    def times(self) -> np.ndarray:
        """Medians over the repeats, infinite where at most half of them got there: (problems, solvers)."""
        return np.array([[contest.median(label) for label in self.solvers] for contest in self.contests])


def rankings(frame: pd.DataFrame) -> list[Ranking]:
    """One a machine, of what can be compared: float64, the CPU, one thread, runs with a test of convergence, problems
    with a certified f*. A problem that was run under several rules counts under those that most solvers share."""
    if frame.empty:
        return []
    chosen = frame[(frame["dtype"] == "float64") & (frame["device"] == "cpu") & (frame["threads"] == 1)]
    chosen = chosen[(chosen["no_gap"] == "") & chosen["rules"].str.startswith("gap ")]
    found = [_ranking(machine, _one_case(runs)) for machine, runs in chosen.groupby("machine", sort=True)]
    return [ranking for ranking in found if ranking.contests]


def _one_case(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of a machine with the same rules for all solvers of a problem, and one case per solver."""
    shared = runs.groupby(["problem", "rules"]).agg(solvers=("plain_label", "nunique"), runs=("run", "nunique"))
    order = shared.sort_values(["solvers", "runs"], ascending=False, kind="stable").reset_index()
    rules = order.drop_duplicates("problem").set_index("problem")["rules"]
    runs = runs[runs["rules"] == runs["problem"].map(rules)]
    cases = (
        runs.groupby(["problem", "plain_label", "case"])["run"].nunique().sort_values(ascending=False, kind="stable")
    )
    kept = cases.reset_index().drop_duplicates(["problem", "plain_label"])["case"]
    return runs[runs["case"].isin(kept)]


def _ranking(machine: str, runs: pd.DataFrame) -> Ranking:
    """The solvers that met at least half as many problems as any, on the problems that all of them met."""
    met = runs.groupby("plain_label")["problem"].nunique()
    solvers = runs.drop_duplicates("plain_label").set_index("plain_label")["solver"].to_dict()
    solvers_in = {label: solvers[label] for label in sorted(solvers) if 2 * met[label] >= met.max()}
    taking_part = runs[runs["plain_label"].isin(solvers_in)]
    common = taking_part.groupby("problem")["plain_label"].nunique() == len(solvers_in)
    names = sorted(common.index[common])
    taking_part = taking_part[taking_part["problem"].isin(names)]
    contests = tuple(
        Contest(name, by_label(cell, times_to_target(cell), "plain_label"))
        for name, cell in taking_part.groupby("problem", sort=True)
    )
    costs = seconds_an_iteration(taking_part[taking_part["plain_label"] == GRADIENT_DESCENT])
    units = costs.groupby("problem")["cost"].median().reindex(names)
    return Ranking(
        machine,
        solvers_in,
        contests,
        units.to_numpy(float),
        {label: tuple(cell["run"].unique()) for label, cell in taking_part.groupby("plain_label")},
        tuple(sorted(set(runs["problem"]) - set(names))),
        tuple(sorted(set(solvers) - set(solvers_in))),
    )
