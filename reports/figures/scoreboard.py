"""The scoreboard as a figure: one line per problem, one dot per contender."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from benchmarks.scoreboard.contenders import BY_GRADIENT
from benchmarks.scoreboard.scores import Score, reference, scores

from . import style
from .axes import plain


def draw(results: Iterable[dict[str, Any]], axes: Axes) -> None:
    """One line per problem, one dot per contender: its time over ours. Our solvers are filled; half filled where
    the gradient stops them."""
    results = list(results)
    order = sorted({score.contender for result in results for score in scores(result) if _drawn(result, score)})
    for place, result in enumerate(results):
        for score in sorted(scores(result), key=lambda score: score.contender):
            if not _drawn(result, score):
                continue
            name = score.contender.removeprefix("hessbench:")
            solver = name.removesuffix(BY_GRADIENT)
            colour, marker = style.look(solver)
            half = {"fillstyle": "left", "markerfacecoloralt": "white"} if solver != name else {}
            shift = 0.6 * (order.index(score.contender) / max(len(order) - 1, 1) - 0.5)  # dots side by side
            kind = {"color": colour, "marker": marker, "markerfacecolor": style.face(solver), "linestyle": "none"}
            axes.plot(score.ratio.median, place + shift, label=name, **kind, **half)
    axes.axvline(1.0, color="0.4", linewidth=1, zorder=0)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.45), max(high, 2.2))  # a lone cluster of dots near the line still has a scale
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 1e3 else (1.0,)))
    axes.xaxis.set_major_formatter(plain)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(results)), [result["problem"] for result in results])
    axes.set_ylim(len(results) - 0.5, -0.5)
    ours = {reference(result) for result in results} - {None}
    base = ours.pop().removeprefix("hessbench:") if len(ours) == 1 else "the fastest of ours"
    axes.set_xlabel(f"time / time of {base}  (right of the line: slower)")


def _drawn(result: dict[str, Any], score: Score) -> bool:
    """The reference is the line itself."""
    return score.contender != reference(result) and score.ratio.rounds > 0
