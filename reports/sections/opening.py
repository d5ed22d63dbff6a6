"""The first screen: a verdict, the gap and the times of the few solvers that matter, and whether to believe them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from solvers import Status
from solvers.common.names import library

from ..data.repeats import endings, groups, keys, last_rows, seconds_waited
from ..data.targets import times_to_target
from ..figures import style
from ..figures.problem import gap_time
from ..findings.fastest import spread
from ..findings.finding import FASTEST, Finding
from ..page.section import Opening, SectionWriter
from ..page.sources import Sources
from ..statistics.estimate import estimate_censored, show, too_few
from ..tables.contests import Contest
from ..tables.convergence_claims import judged
from ..tables.costs import GRADIENT_DESCENT
from ..tables.record import Table
from ..text import plural, setup

NAME, TITLE = "top", "At a glance"
ROWS, CURVES = 8, 6
SIZE = (4.4, 3.4)  # inches: its letters can still be read on a phone
TIME = "time to 1e-6"  # GAP


def opening(frame: pd.DataFrame, found: Sequence[Finding], out: Path, sources: Sources | None = None) -> Opening:
    """The first screen of these runs, whose findings are known."""
    writer = SectionWriter(NAME, TITLE, out, sources)
    caption, runs = "", headline(frame)
    if len(runs):
        first = runs.iloc[0]
        where = f"{first['problem']}, {setup(first['dtype'], first['device'], int(first['threads']))}"
        writer.table(LEADERS, leaders(runs))
        figure, axes = style.canvas()
        figure.set_size_inches(*SIZE)
        gap_time(runs, axes, CURVES)
        axes.set_title(where, fontsize=10)
        style.legend(figure, axes.get_legend_handles_labels()[0], columns=2)
        several = f" One of {frame['problem'].nunique()} problems." if frame["problem"].nunique() > 1 else ""
        caption = f"Training objective minus the certified minimum f*; in grey, the other solvers.{several}"
        writer.figure("at-a-glance", f"Gap against time: {where}", figure, caption, keys(runs))
    return Opening(verdict(frame, found), trust(frame), writer.section())


def verdict(frame: pd.DataFrame, found: Sequence[Finding]) -> str:
    """Which solver is fastest, where the runs answer it; else what they show first."""
    answers = [one for one in found if one.question == FASTEST] or list(found)
    if answers:
        return f"{answers[0].heading}."
    return f"{plural(frame['solver'].nunique(), 'solver')} on {plural(frame['problem'].nunique(), 'problem')}."


def trust(frame: pd.DataFrame) -> str:
    """How many reports of convergence were checked against a certified minimum, and how many were false."""
    ours = frame[(frame["solver"].map(library) == "") & (frame["status"] != Status.ERROR)]
    ends = judged(ours) if len(ours) else ours
    converged = ends[ends["status"] == Status.CONVERGED]
    if converged.empty:
        return "No run reported convergence."
    checked, wrong = int(converged["judged"].sum()), int(converged["beyond"].sum())
    rest = len(converged) - checked
    more = f"; {rest:,} more could not be checked" if rest else ""
    said = f"“converged” was checked against the certified minimum in {plural(checked, 'run')}"
    return f"{said}, and false in {wrong:,}{more}."


def headline(frame: pd.DataFrame) -> pd.DataFrame:
    """The runs of the problem that tells most: with a certified minimum, in float64, where most solvers arrive; of
    several the one with the largest spread of times. Few repeats, or runs that other work disturbed, come last."""
    certified = frame[
        (frame["no_gap"] == "")
        & (frame["dtype"] == "float64")
        & frame["rules"].str.contains("gap")
        & (frame["status"] != Status.ERROR)
    ]
    best, rank = certified[:0], (False, False, 0, -math.inf)
    for _, runs in groups(certified, ["machine", "problem", "device", "threads"]):
        contest = Contest.to_gap("", runs)
        arrived = sum(math.isfinite(contest.median(label)) for label in contest.times)
        enough = not too_few(min(map(len, contest.times.values())))
        if arrived and (of_these := (not contest.disturbed, enough, arrived, spread(contest))) > rank:
            best, rank = runs, of_these
    return best


def leaders(frame: pd.DataFrame) -> pd.DataFrame:
    """The fastest solvers to a relative gap of 1e-6 and, as a measure, gradient descent: median time [95 % interval] of
    the repeats."""
    times, waited = times_to_target(frame), seconds_waited(frame)
    last = last_rows(frame).set_index("run", drop=False)
    order = sorted(frame["label"].unique(), key=Contest.to_gap("", frame).median)
    base = [label for label in order if label == GRADIENT_DESCENT]
    chosen = [label for label in order if label not in base][: ROWS - len(base)]
    rows = []
    for label in sorted([*chosen, *base], key=order.index):
        own = keys(frame[frame["label"] == label])
        found = estimate_censored(times.loc[list(own)].to_numpy(), waited.loc[list(own)].to_numpy())
        ends = last.loc[list(own)]
        rows.append(
            {
                "problem": frame["problem"].iloc[0],
                "solver": label,
                TIME: show(found),
                "iterations": int(ends["iteration"].median()),
            }
            | {"status": endings(ends), "runs": own}
        )
    return pd.DataFrame(rows)


LEADERS = Table("at-a-glance", leaders, "The fastest solvers")
