"""Crowded figures: who is in colour, who is grey, and that nobody is missing."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from matplotlib.figure import Figure

from reports.figures import style
from reports.figures.highlight import GREY, grey_note, highlighted
from reports.figures.problem import gap_time, loss_iteration
from tests.reports.made_up import frame, run

NAMES = [f"solver-{k}" for k in range(20)]


def made(times: dict[str, float], *, no_gap: str = "") -> pd.DataFrame:
    """One run a solver: at a gap of 1e-7 after its time; at half of the start after a second where that is infinite."""
    ends = {name: (1.0, 0.5) if math.isinf(time) else (time, 1e-7) for name, time in times.items()}
    found = frame(*(run("p", name, at, value=gap, gap=gap, no_gap=no_gap) for name, (at, gap) in ends.items()))
    return found.assign(optimum_error=1e-15, gap=math.nan if no_gap else found["gap"])


def late_first() -> dict[str, float]:
    """The last names are the fastest; the first one never gets there."""
    return {name: 1.0 / (1 + k) for k, name in enumerate(NAMES)} | {NAMES[0]: math.inf}


@pytest.mark.parametrize("no_gap", ["", "f* is not known"])
def test_those_that_get_there_first_are_in_colour_and_so_is_gradient_descent(no_gap):
    found = highlighted(made({"gradient-descent": math.inf} | late_first(), no_gap=no_gap))
    assert found == ["gradient-descent", *NAMES[-(style.FEW - 1) :]]


def test_where_a_legend_has_room_for_all_all_are_in_colour():
    few = dict(list(late_first().items())[: style.FEW])
    assert highlighted(made(few)) == list(few) and grey_note(list(few), highlighted(made(few))) == ""


@pytest.mark.parametrize("draw", [gap_time, loss_iteration])
def test_all_are_drawn_and_grey_ones_share_a_line_of_the_legend_and_are_named(draw):
    runs = made(late_first())
    axes = Figure().add_subplot()
    draw(runs, axes)
    grey = [line for line in axes.get_lines() if line.get_color() == GREY["color"]]
    assert len(axes.get_lines()) == len(NAMES) and len(grey) == len(NAMES) - style.FEW
    labels = axes.get_legend_handles_labels()[1]
    assert labels.count(f"{len(NAMES) - style.FEW} others") == 1 and len(labels) == style.FEW + 1
    words = grey_note(NAMES, highlighted(runs))
    assert [name for name in NAMES if f"{name}," in words or f"{name}." in words] == NAMES[: -style.FEW]
