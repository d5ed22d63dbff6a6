"""A map over n and d of how many times as fast a device is as the CPU."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..text import plural
from .axes import plain

COLOURS = "PuOr"  # two hues that colour-blind readers tell apart; in grey the numbers and the marks do it
WIDEST = 5  # powers of two at the ends of the colours


def device_map(cell: pd.DataFrame, axes: Axes) -> None:
    """The speed-ups of one solver: columns n, d, speed-up. The axes are in decades, so that lines are straight in
    logarithms."""
    x, y, powers = np.log10(cell["n"].to_numpy(float)), np.log10(cell["d"].to_numpy(float)), np.log2(cell["speed-up"])
    colours = {"cmap": COLOURS, "norm": Normalize(-WIDEST, WIDEST)}
    if spans_a_plane(x, y):
        levels = np.arange(-WIDEST, WIDEST + 1)
        axes.tricontourf(x, y, np.clip(powers, -WIDEST, WIDEST), levels, alpha=0.6, **colours)
        if powers.min() < 0 < powers.max():
            axes.tricontour(x, y, powers, [0.0], colors="black", linewidths=2)
    for here, marker in ((powers >= 0, "s"), (powers < 0, "o")):
        axes.scatter(x[here], y[here], c=powers[here], marker=marker, s=70, edgecolors="black", **colours)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.0}
    for at, speedup in zip(zip(x, y, strict=True), cell["speed-up"], strict=True):
        axes.annotate(f"{speedup:.2g}x", at, (0, 8), textcoords="offset points", ha="center", fontsize=8, bbox=box)
    for axis, values, beyond in ((axes.xaxis, x, 0.4), (axes.yaxis, y, 0.3)):
        low, high = values.min() - beyond, values.max() + beyond
        axis.set_ticks(range(math.ceil(low), math.floor(high) + 1))
        axis.set_major_formatter(lambda power, _: plain(10.0**power))
        axis.axes.set(**{f"{axis.axis_name}lim": (low, high)})
    axes.set_xlabel("rows n")
    axes.set_ylabel("coefficients d")


def spans_a_plane(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether points do not all lie on one line."""
    points = np.stack([x, y], axis=1)
    return len(points) >= 3 and bool(np.linalg.matrix_rank(points - points[0], tol=1e-9) == 2)


def device_maps(cell: pd.DataFrame, setup: dict) -> Figure:
    """The maps of all solvers of a set-up, two in a row, with one bar of colours."""
    solvers = list(cell.groupby("label", sort=True))
    columns = min(2, len(solvers))
    rows = -(-len(solvers) // columns)
    canvas = Figure(figsize=(7.2 if columns > 1 else 5.0, 0.9 + 3.1 * rows), layout="constrained")
    grid = canvas.subplots(rows, columns, squeeze=False)
    for axes, (label, part) in zip(grid.flat, solvers, strict=False):
        device_map(part, axes)
        axes.set_title(label)
    for axes in list(grid.flat)[len(solvers) :]:
        axes.set_axis_off()
    threads = plural(setup["CPU threads"], "CPU thread")
    canvas.suptitle(f"{setup['device']} against {threads}, {setup['dtype']}", ha="center")
    ticks = range(-WIDEST, WIDEST + 1, 1)
    bar = canvas.colorbar(ScalarMappable(Normalize(-WIDEST, WIDEST), COLOURS), ax=grid, ticks=ticks, shrink=0.8)
    bar.ax.set_yticklabels([f"{2**k}x" if k >= 0 else f"1/{2**-k}x" for k in ticks])
    bar.set_label("speed-up of the device")
    return canvas
