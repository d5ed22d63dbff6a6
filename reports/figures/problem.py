"""Figures: each draws one problem's runs on the Axes it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..data.repeats import endings, last_rows, marked
from ..statistics.estimate import estimate
from ..text import seconds
from . import style
from .axes import decades, iterations
from .highlight import draw_grey, highlighted
from .style import CURVE

Draw = Callable[[pd.DataFrame, Axes], None]
BAND = "Time is the median over the repeats; the band holds the middle half of them."
TIME, ITERATION, EVALUATIONS = "time (ms)", "iteration", "values"  # labels of x, and the counter of evaluations of f
NO_GAP = "the problem has no minimiser, or f* is not known"  # in a caption, where a page has one of the two


@dataclass(frozen=True)
class Figure:
    """A drawing of the runs of one problem in one precision, with its title and caption."""

    title: str
    caption: str
    draw: Draw
    has_gap: bool | None = None  # None: for every problem
    held_out: bool = False  # drawn only where there are held-out rows: a test function has none
    rows: bool = False  # one row per case instead of a curve: all are in colour


def curves(frame: pd.DataFrame, quantity: str) -> Iterator[tuple[str, tuple[str, str, str], str, pd.DataFrame]]:
    """Label, look, line style and, by iteration, a column's values and the quartiles of the times over the repeats."""
    curve = ["solver", "label"]
    counted = [EVALUATIONS] if EVALUATIONS in frame else []
    by_iteration = frame[[*curve, "iteration", "seconds", quantity, *counted]].groupby([*curve, "iteration"])
    paths = by_iteration.first()
    paths["seconds"] = by_iteration["seconds"].median()
    paths["early"] = by_iteration["seconds"].quantile(0.25)
    paths["late"] = by_iteration["seconds"].quantile(0.75)
    variants: dict[str, int] = {}
    for solver, label in frame[curve].drop_duplicates().itertuples(index=False, name=None):
        variant = variants[solver] = variants.get(solver, -1) + 1
        yield label, (*style.look(solver), style.face(solver)), style.line(variant, solver), paths.loc[(solver, label)]


def _trace(
    frame: pd.DataFrame, axes: Axes, x: str, quantity: str, floor: float | None = None, most: int = style.FEW
) -> None:
    front, count = highlighted(frame, most), frame["label"].nunique()
    axes.set_xlabel(TIME if x == "seconds" else ITERATION)
    for order, (label, (colour, marker, face), line, path) in enumerate(curves(frame, quantity)):
        path = path[np.isfinite(path[quantity])]
        if x == "seconds":  # the time 0, at which solves of their own begin, has no place on a logarithmic axis
            path = path[path["seconds"] > 0]
        y = path[quantity] if floor is None else path[quantity].clip(lower=floor)
        ways = {TIME: path["seconds"] * 1e3, ITERATION: path.index}
        if EVALUATIONS in path and path[EVALUATIONS].max() > 0:  # another library's are not counted
            ways["evaluations of f"] = path[EVALUATIONS]
        at = ways.pop(axes.get_xlabel())
        if label not in front:
            drawn = draw_grey(axes, at, y, count - len(front), gid=CURVE + label)
            style.also(drawn, x=ways, look=(colour, marker, face, line))
            continue
        spread = (0.02 * order, 0.14)  # markers side by side, so that a curve under another still shows
        looks = {"color": colour, "marker": marker, "mfc": face, "markevery": spread}
        (drawn,) = axes.plot(at, y, line, **looks, label=label, gid=CURVE + label)
        band = (path["early"] * 1e3, path["late"] * 1e3)
        several = x == "seconds" and frame["repeat"].nunique() > 1
        style.also(drawn, x=ways, band={"x": band} if several else None)
        if several:
            axes.fill_betweenx(y, *band, color=colour, alpha=0.2, linewidth=0, gid=CURVE + label)
    if x == "seconds":
        decades(axes, "x")
    else:
        iterations(axes, int(frame["iteration"].max()))


def test_loss_time(frame: pd.DataFrame, axes: Axes) -> None:
    _trace(frame, axes, "seconds", "test_loss")
    decades(axes, "y")
    axes.set_ylabel("mean test loss")


def test_accuracy_time(frame: pd.DataFrame, axes: Axes) -> None:
    _trace(frame, axes, "seconds", "test_accuracy")
    axes.set_ylabel("test accuracy")
    axes.set_ylim(min(0.6, frame["test_accuracy"].min() - 0.02), 1.0)


def loss_iteration(frame: pd.DataFrame, axes: Axes) -> None:
    _trace(frame, axes, "iteration", "value")
    decades(axes, "y")
    axes.set_ylabel("mean training loss")


def loss_time(frame: pd.DataFrame, axes: Axes) -> None:
    _trace(frame, axes, "seconds", "value")
    decades(axes, "y")
    axes.set_ylabel("mean training loss")


def _gap(frame: pd.DataFrame, axes: Axes, x: str, most: int = style.FEW) -> None:
    floor = max(2 * frame["optimum_error"].iloc[0], 1e-17)
    _trace(frame, axes, x, "gap", floor, most)
    axes.axhspan(floor / 10, floor, color="#bbbbbb", alpha=0.4, linewidth=0)
    decades(axes, "y")
    axes.set_ylim(bottom=floor / 10)
    axes.set_ylabel("f - f*  (grey: uncertainty of f*)")


def gap_iteration(frame: pd.DataFrame, axes: Axes) -> None:
    _gap(frame, axes, "iteration")


def gap_time(frame: pd.DataFrame, axes: Axes, most: int = style.FEW) -> None:
    _gap(frame, axes, "seconds", most)


def run_time(frame: pd.DataFrame, axes: Axes) -> None:
    labels, least, seen, longest = [], np.inf, 0.0, 0
    for row, ((solver, label), cell) in enumerate(frame.groupby(["solver", "label"], sort=False)):
        last = last_rows(cell)
        found = estimate(last["total_seconds"] * 1e3)
        colour, marker = style.look(solver)
        errors = None if np.isnan(found.low) else [[found.median - found.low], [found.high - found.median]]
        mark = {"color": colour, "marker": marker, "mfc": style.face(solver), "markersize": 8, "capsize": 4}
        for part in axes.errorbar(found.median, row, xerr=errors, **mark).get_children():
            part.set_gid(CURVE + label)
        end = last.iloc[0]
        high = found.median if errors is None else found.high
        time = marked(seconds(found.median / 1e3), cell)
        ended, *others = endings(last).split(
            ", "
        )  # the most frequent one: a line of words has to stand beside its mark
        text = f"{time}, {int(end['iteration'])} iterations, {ended}" + ", ..." * bool(others)
        axes.annotate(text, (high, row), (9, 0), textcoords="offset points", va="center", fontsize=8)
        labels.append(label)
        longest = max(longest, len(text))
        least, seen = min(least, found.median if errors is None else found.low), max(seen, high)
    axes.set_yticks(range(len(labels)), labels)
    decades(axes, "x")
    axes.set_ylim(len(labels) - 0.5, -0.5)
    room = 480 - 5.6 * max(
        map(len, labels)
    )  # points across, beside the labels; a letter of the words takes 4.6 of them
    share = min(max(1 - (4.6 * longest + 12) / room, 0.2), 0.5)  # of the axis for the marks, the rest for their words
    axes.set_xlim(least / 1.3, least * max(seen / least, 10.0) ** (1 / share))
    axes.set_xlabel("time of the whole run (ms)")


FIGURES: dict[str, Figure] = {
    "gap-time": Figure(
        "Gap against time",
        f"Training objective minus the certified optimum f*. {BAND}",
        gap_time,
        has_gap=True,
    ),
    "test-loss-time": Figure(
        "Test loss against time",
        f"Mean loss on the held-out rows. {BAND}",
        test_loss_time,
        held_out=True,
    ),
    "test-accuracy-time": Figure(
        "Test accuracy against time",
        f"Share of the held-out rows that are classified correctly. {BAND}",
        test_accuracy_time,
        held_out=True,
    ),
    "run-time": Figure(
        "Total run time",
        "Time of the whole run: median over the repeats with its 95 % interval. Compare only runs that ended in the "
        "same way; the labels say how.",
        run_time,
        rows=True,
    ),
    "loss-iteration": Figure(
        "Training loss against iteration",
        f"No gap can be shown here: {NO_GAP}.",
        loss_iteration,
        has_gap=False,
    ),
    "loss-time": Figure(
        "Training loss against time",
        f"No gap can be shown here: {NO_GAP}. {BAND}",
        loss_time,
        has_gap=False,
    ),
    "gap-iteration": Figure(
        "Gap against iteration",
        "Training objective minus the certified optimum f*, the same for all solvers.",
        gap_iteration,
        has_gap=True,
    ),
}
