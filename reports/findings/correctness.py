"""Findings on correctness: false convergence, and problems without a known optimum."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from solvers import Status
from solvers.common.names import library

from ..data.repeats import keys
from ..data.targets import NO_MINIMISER
from ..tables.convergence_claims import judged
from ..text import plural
from .finding import BELIEVED, NAMED, Finding, known


def false_convergence(frame: pd.DataFrame) -> Iterator[Finding]:
    """Runs that reported convergence where the certified gap says otherwise, as the honesty table judges them.

    What other libraries claim of themselves is in that table alone.
    """
    ours = frame[frame["solver"].map(library) == ""]
    if ours.empty:
        return
    ends = judged(ours)
    converged = ends[ends["status"] == Status.CONVERGED]
    checked = converged[converged["judged"]]
    if checked.empty:
        return
    wrong = checked[checked["beyond"]]
    if wrong.empty:
        worst = (checked["gap"] / checked["allowed"]).max()
        text = (
            f"The largest gap to the certified minimum was {worst:.2g} times the tolerance; up to twice is within the "
            "error of the test."
        )
    else:
        named = ", ".join(sorted(set(wrong["label"] + " on " + wrong["problem"])))
        text = f"Their gap to the certified minimum is above the tolerance, or there is no minimum: {named}."
    unchecked = len(converged) - len(checked)
    text += f" {plural(unchecked, 'more run')} cannot be checked." if unchecked else ""
    heading = f"“converged” was true in {len(checked) - len(wrong):,} of {plural(len(checked), 'run')}"
    yield Finding(BELIEVED, math.inf, heading, text, keys(checked))  # the first answer, whatever else is to be said


def no_minimiser(frame: pd.DataFrame) -> Iterator[Finding]:
    """Problems that are proved to have no optimum; the rank is how far the loss fell there, and would go on falling."""
    without = frame[frame["no_gap"] == NO_MINIMISER]
    if without.empty:
        return
    names = list(without["problem"].unique())
    certificates = [(name, found) for name in names if (found := known(name))]
    separated = [
        f"the {found.n} training rows of {name} are linearly separable, with a margin of {found.margin:.3f}"
        for name, found in certificates
        if found.minimiser is False and found.margin > 0
    ]
    proof = f"A linear program proves it: {'; '.join(separated[:NAMED])}. " if separated else ""
    yield Finding(
        BELIEVED,
        decades_fallen(without),
        f"{of_problems(names, frame)} {'has' if len(names) == 1 else 'have'} no minimiser",
        f"{proof}The loss falls for ever as the weights grow. Times there are times to a stated loss, not to a gap.",
        keys(without),
    )


def of_problems(names: list[str], frame: pd.DataFrame) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} of {frame['problem'].nunique()} problems"


def decades_fallen(runs: pd.DataFrame) -> float:
    """Decades from the highest start of the loss to its lowest value; 0 where no value is known."""
    start, least = runs.loc[runs["iteration"] == 0, "value"].max(), runs["value"].min()
    return math.log10(start / max(least, 1e-300)) if start > 0 and not math.isnan(least) else 0.0


def not_known(frame: pd.DataFrame) -> Iterator[Finding]:
    """Problems for which nothing is proved: neither where the optimum is nor that there is none."""
    without = frame[~frame["no_gap"].isin(["", NO_MINIMISER])]
    if without.empty:
        return
    names = list(without["problem"].unique())
    exists = set(without.loc[without["minimiser"].eq(True), "problem"])
    parts = {
        "A minimiser exists, but f* is not known closely enough to measure a gap": [n for n in names if n in exists],
        "Whether a minimiser exists is not known": [n for n in names if n not in exists],
    }
    text = " ".join(f"{words}: {', '.join(named)}." for words, named in parts.items() if named)
    yield Finding(
        BELIEVED,
        0.0,
        f"The optimum of {of_problems(names, frame)} is not known",
        f"{text} Checks of convergence are missing there, and times are to the lowest loss that a run found.",
        keys(without),
    )
