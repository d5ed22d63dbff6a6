"""Performance and data profiles: one staircase per solver."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ..statistics.profiles import area, ratios, shares
from ..tables.rankings import Ranking
from . import style
from .axes import decades
from .highlight import chosen, draw_grey


def best(ranking: Ranking) -> list[str]:
    """The labels that are drawn in colour: those with the largest area under the profile."""
    order = np.argsort(-area(ratios(ranking.times)), kind="stable")
    labels = list(ranking.solvers)
    return chosen(labels, [labels[k] for k in order])


def performance_profile(ranking: Ranking, axes: Axes) -> None:
    _steps(ranking, ratios(ranking.times), axes, start=1.0)
    axes.set_xlabel("tau: time / time of the fastest solver on the problem")


def data_profile(ranking: Ranking, axes: Axes) -> None:
    there = np.isfinite(ranking.units)
    budgets = ranking.times[there] / ranking.units[there, None]
    finite = budgets[np.isfinite(budgets)]
    _steps(ranking, budgets, axes, start=0.5 * finite.min() if len(finite) else 1.0)
    missing = "" if there.all() else f" ({(~there).sum()} problems without it are left out)"
    axes.set_xlabel(f"time / time of an iteration of gradient descent{missing}")


def _steps(ranking: Ranking, values: np.ndarray, axes: Axes, *, start: float) -> None:
    """One staircase a solver, from `start` to beyond the last step."""
    if not len(values):  # no problem was run with what the times are measured by: there is nothing to draw
        return
    finite = values[np.isfinite(values)]
    end = 1.5 * np.max(finite, initial=2 * start)
    front = best(ranking)
    for order, (label, solver) in enumerate(ranking.solvers.items()):
        own = values[:, order]
        steps = np.unique(np.concatenate([[start], own[np.isfinite(own)], [end]]))
        if label not in front:
            drawn = draw_grey(
                axes, steps, shares(values, steps)[order], len(ranking.solvers) - len(front), drawstyle="steps-post",
                gid=style.CURVE + label,
            )  # fmt: skip
            style.also(drawn, look=(*style.look(solver), style.face(solver), style.line(order, solver)))
            continue
        colour, marker = style.look(solver)
        # markers side by side: one curve under another still shows
        axes.plot(
            steps, shares(values, steps)[order], style.line(order, solver), drawstyle="steps-post", color=colour,
            marker=marker, mfc=style.face(solver),
            markevery=(0.02 * order, 0.2), label=label, gid=style.CURVE + label,
        )  # fmt: skip
    decades(axes, "x")
    axes.set_xlim(start, end)
    axes.set_ylim(-0.02, 1.04)
    axes.set_ylabel("share of the problems")
