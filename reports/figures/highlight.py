"""Which curves of a crowded figure are drawn in colour: the others are there in grey."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..data.targets import times_to_target
from ..tables.costs import GRADIENT_DESCENT
from . import style

GREY = {"color": "#c8c8c8", "linewidth": 0.8, "zorder": 1}


def highlighted(frame: pd.DataFrame, most: int = style.FEW) -> list[str]:
    """Labels of one problem's runs, in the order of the frame: all of them where a figure can show them, else those
    first at a gap of 1e-6 (median over the repeats; then those that come closest), and gradient descent. Where no f* is
    known the lowest loss of any run takes its place, for the choice of colours alone."""
    labels = list(frame["label"].unique())
    if len(labels) <= most:
        return labels
    known = frame.assign(gap=frame["gap"].where(frame["no_gap"] == "", frame["value"] - frame["value"].min()))
    runs = known.groupby("run").agg(label=("label", "first"), closest=("gap", "min"))
    runs = runs.assign(time=times_to_target(known))
    order = runs.groupby("label")[["time", "closest"]].median().sort_values(["time", "closest"], kind="stable")
    return chosen(labels, list(order.index), most)


def chosen(labels: Sequence[str], order: Sequence[str], most: int = style.FEW) -> list[str]:
    """The first of an order that a legend has room for, with gradient descent, in the order of `labels`."""
    if len(labels) <= most:
        return list(labels)
    baseline = [name for name in labels if name == GRADIENT_DESCENT]
    front = [*baseline, *(name for name in order if name not in baseline)][:most]
    return [name for name in labels if name in front]


def draw_grey(
    axes: Axes, x: np.ndarray, y: np.ndarray, count: int, *, drawstyle: str = "default", gid: str | None = None
) -> Line2D:
    """One of `count` curves in grey; the first of an axes stands for all of them in the legend."""
    label = f"{count}{style.OTHERS}"
    again = label in axes.get_legend_handles_labels()[1]
    (line,) = axes.plot(x, y, **GREY, drawstyle=drawstyle, gid=gid, label="_nolegend_" if again else label)
    return line


def grey_note(labels: Sequence[str], front: Sequence[str]) -> str:
    """Which solvers are grey, for the caption; empty where none is."""
    grey = [name for name in labels if name not in set(front)]
    return f"In grey, the others: {', '.join(grey)}." if grey else ""
