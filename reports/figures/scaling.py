"""How the time of an iteration grows with the rows n and the coefficients d: slopes on logarithmic axes."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from datasets.registry import SIZED

from ..data.repeats import keys
from ..statistics.bootstrap import slope
from ..tables.costs import seconds_an_iteration
from ..tables.record import Table
from . import style
from .axes import decades

OTHER = {"d": "n", "n": "d"}
FIXED_COST = 2.0  # times the least time: below it the fixed cost of an iteration is half of it and more
SETUP = ["machine", "kind", "dtype", "device", "threads"]  # a figure shows one
SERIES = ["solver", "plain_label", "rules"]  # and of it one line each


def sized(frame: pd.DataFrame) -> pd.DataFrame:
    """The runs on synthetic problems named by their size: one row each, with `kind`, n, d, seconds an iteration."""
    named = [bool(SIZED.fullmatch(problem)) for problem in frame.get("problem", ())]
    if not any(named):
        return pd.DataFrame(columns=[*SETUP, *SERIES, "n", "d", "cost"])
    costs = seconds_an_iteration(frame[named])
    parts = costs["problem"].str.extract(r"(?P<kind>.+)-(?P<n>\d+)x(?P<d>\d+)")
    return costs.assign(kind=parts["kind"], n=parts["n"].astype(int), d=parts["d"].astype(int))


def panels(costs: pd.DataFrame, against: str) -> list[tuple[tuple, pd.DataFrame]]:
    """The runs of a SETUP and one other size: those that differ in `against` alone, of three sizes or more.

    against: "n" or "d".
    """
    return [
        (key, cell) for key, cell in costs.groupby([*SETUP, OTHER[against]], sort=True) if cell[against].nunique() >= 3
    ]


def fitted(cell: pd.DataFrame, against: str) -> pd.DataFrame:
    """The runs of the sizes that a slope is fitted to: from the first on that takes FIXED_COST times the least time."""
    medians = cell.groupby(against)["cost"].median()
    beyond = medians.index[medians >= FIXED_COST * medians.min()]
    return cell[cell[against] >= beyond.min()] if len(beyond) else cell.iloc[:0]


def slopes(frame: pd.DataFrame, against: str) -> pd.DataFrame:
    """Each row is a solver: the exponent p of the time of an iteration, ~ d^p at a fixed n or ~ n^p at a fixed d, with
    its 95 % interval. It is fitted to the sizes in `fitted`, which begin where an iteration takes twice as long as at
    the smallest size. A dash: fewer than two sizes are left."""
    rows = []
    for (*setup, other), panel in panels(sized(frame), against):
        for (_, label, rules), cell in panel.groupby(SERIES, sort=False):
            part = fitted(cell, against)
            groups = [(size, group["cost"].to_numpy()) for size, group in part.groupby(against)]
            found = slope(np.array([s for s, _ in groups], float), [c for _, c in groups]) if len(groups) > 1 else None
            rows.append(
                dict(zip(SETUP, setup, strict=True))
                | {"solver": label, "rules": rules}
                | {"against": against, "at": f"{OTHER[against]} = {other:,}"}
                | {"measured": f"{cell[against].min():,} to {cell[against].max():,}"}
                | {"fitted": f"{groups[0][0]:,} to {groups[-1][0]:,}" if found else "-"}
                | {"sizes": len(groups) if found else 0, "exponent": show_exponent(found) if found else "-"}
                | {"runs": keys(cell)}
            )
    return pd.DataFrame(rows)


def show_exponent(found: tuple[float, float, float]) -> str:
    middle, low, high = found
    return f"{middle:.2f}" + (" (no interval)" if math.isnan(low) else f" [{low:.2f}, {high:.2f}]")


SLOPES = Table("iteration-slopes", slopes, published=True)


def cost_figure(panel: pd.DataFrame, against: str, axes: Axes) -> None:
    """One line a solver through the medians, a band between the quartiles; straight pieces are the fits."""
    several = panel["rules"].nunique() > 1
    for order, ((solver, name, rules), cell) in enumerate(panel.groupby(SERIES, sort=False)):
        colour, marker = style.look(solver)
        by_size = cell.groupby(against)["cost"]
        median = by_size.median()
        label = f"{name} ({rules})" if several else name
        part = fitted(cell, against)
        groups = part.groupby(against)["cost"]
        if part[against].nunique() > 1:
            exponent, *_ = slope(np.array(list(groups.groups), float), [group.to_numpy() for _, group in groups])
            label += f": {against}^{exponent:.2f}"
        looks = {"color": colour, "marker": marker, "mfc": style.face(solver)}
        line = style.line(order, solver)
        (drawn,) = axes.plot(median.index, 1e3 * median, line, **looks, label=label, gid=style.CURVE + name)
        band = 1e3 * by_size.quantile(0.25), 1e3 * by_size.quantile(0.75)
        style.also(drawn, band={"y": band})
        axes.fill_between(median.index, *band, color=colour, alpha=0.2, linewidth=0, gid=style.CURVE + name)
    decades(axes, "x")
    decades(axes, "y")
    sizes = sorted(panel[against].unique())
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel({"d": "coefficients d", "n": "rows n"}[against])
    axes.set_ylabel("time of an iteration (ms)")
