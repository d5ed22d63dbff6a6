"""The figure of two-view MNIST: a row for each original and its two views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .views import MNISTTwoView

TITLES = ("original", "x(1)", "x(2)")
Item = tuple[Tensor, Tensor, Tensor, int]


def draw_views(items: Sequence[Item], figure: Figure) -> None:
    """One row an item (original, view1, view2, label), three columns, the label beside the original."""
    grid = figure.subplots(len(items), len(TITLES), squeeze=False)
    for row, (*images, label) in zip(grid, items, strict=True):
        for axes, image in zip(row, images, strict=True):
            axes.imshow(image.squeeze(0).numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.grid(False)
            for spine in axes.spines.values():
                spine.set_visible(False)
        row[0].set_ylabel(str(label), rotation=0, ha="right", va="center", labelpad=8, fontsize=12)
    for axes, title in zip(grid[0], TITLES, strict=True):
        axes.set_title(title, loc="center", fontsize=11, fontweight="normal")


def views_figure(views: MNISTTwoView, rows: int = 8) -> Figure:
    """The first so many items of a data set (a seeded one gives the same figure each time)."""
    from matplotlib.figure import Figure

    if not 1 <= rows <= len(views):
        raise ValueError(f"rows must lie in 1..{len(views)}, found {rows}")
    figure = Figure(figsize=(4.2, 1.25 * rows + 0.3), layout="constrained")
    draw_views([views[i] for i in range(rows)], figure)
    return figure
