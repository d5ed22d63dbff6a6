"""Recommendations and their regret as lines for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from ..text import seconds, setup
from .coverage import coverage, covered
from .experience import Experience
from .recommend import Answer, Question
from .regret import LOWER_BOUND, TRIVIAL, TRIVIAL_LOWER_BOUND, verdict

Rows = tuple[Sequence[str], list[list[str]]]  # columns, and a list of cells for each row


def prediction_rows(found: Answer) -> Rows:
    rows = []
    for one in found.predictions:
        times = [one.reason, "-", "-"]
        if math.isfinite(one.seconds):
            times = [seconds(one.seconds), f"{seconds(one.low)} to {seconds(one.high)}", seconds(one.score)]
        iterations = f"{one.iterations:.3g}" if math.isfinite(one.seconds) else "-"
        arrived = f"on {one.record.arrived} of {one.record.tried} problems"
        rows.append([one.solver, *times, one.part, iterations, arrived])
    rows += [[solver, reason, *["-"] * 5] for solver, reason in found.refused.items()]
    return ("solver", "time", "90 % of the time", "with failures", "mostly", "iterations", "got there"), rows


def plain(found: Answer, question: Question, gap: float) -> dict[str, Any]:
    """An answer as plain values, for programs. expected_seconds: what the ranking goes by, failures included."""
    predictions = [
        {key: value for key, value in asdict(one).items() if key != "record"}
        | {"expected_seconds": one.score, "arrived": one.record.arrived, "tried": one.record.tried}
        for one in found.predictions
    ]
    return {
        **{"question": asdict(question) | {"machine": found.machine}, "gap": gap, "measured_cases": found.cells},
        **{"predictions": predictions, "refused": found.refused, "remarks": found.remarks},
    }


def question_title(found: Answer, question: Question, gap: float) -> str:
    return (
        f"{question.n:,} x {question.d:,}, density {question.density:g}, penalty {question.penalty:g}, "
        f"to a gap of {gap:g}\n{setup(question.dtype, question.device, question.threads)}, {found.machine}"
    )


def regret_rows(table: pd.DataFrame) -> Rows:
    rows = []
    for row in table.to_dict("records"):
        where = f"{setup(row['dtype'], row['device'], row['threads'])}, {row['machine']}"
        regret, its = (
            "> " * row[bound] + f"{row[value]:.3g}"
            for bound, value in ((LOWER_BOUND, "regret"), (TRIVIAL_LOWER_BOUND, TRIVIAL))
        )
        rows.append([row["problem"], where, row["recommended"], row["best"], regret, row["trivial rule"], its])
    return ("problem", "setup", "recommended", "best", "regret", "best most often", "regret of that rule"), rows


def check_lines(cells: Sequence[Experience], table: pd.DataFrame) -> list[str]:
    """Whether following the advice would have paid, and how often the intervals held."""
    return [*verdict(table), covered(coverage(cells))]
