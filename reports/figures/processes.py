"""Efficiency against processes: what was measured as points, what the model says as broken lines."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.scale.model import RANKS, networks, predictions
from benchmarks.scale.store import Measured
from benchmarks.scale.summary import Line, lines

from . import style
from .axes import plain

PANELS = (("strong", "the same rows in all"), ("weak", "the same rows in each"))


def efficiency_figure(measured: Measured) -> Figure:
    """Strong and weak efficiency of one session, side by side."""
    canvas = Figure(figsize=(7.2, 3.9), layout="constrained")
    panels = canvas.subplots(1, 2, sharey=True)
    for axes, (kind, words) in zip(panels, PANELS, strict=True):
        panel(measured, kind, axes)
        axes.set_title(f"{kind.capitalize()}: {words}")
    panels[0].set_ylabel("efficiency")
    named = [
        Line2D([], [], color=colour, marker=marker, mfc=face(network, colour), linestyle=style.line(order), label=name)
        for order, network in enumerate(networks(measured))
        for solver in measured.plan.solvers
        for colour, marker in [style.look(solver)]
        for name in [f"{solver}, {network}" if network else solver]
    ]
    style.legend(canvas, named)
    return canvas


def panel(measured: Measured, kind: str, axes: Axes) -> None:
    """kind: strong or weak."""
    counts = sorted({*measured.plan.processes, *RANKS})
    model = predictions(measured, counts)
    found = [line for line in lines(measured) if not np.isnan(getattr(line, kind).median)]
    for order, network in enumerate(networks(measured)):
        for solver in measured.plan.solvers:
            colour, marker = style.look(solver)
            own = [getattr(p, kind) for p in model if (p.solver, p.network) == (solver, network)]
            axes.plot(counts, own, style.line(order), color=colour, alpha=0.6)
            here = [line for line in found if (line.solver, line.network) == (solver, network)]
            points(here, kind, axes, {"color": colour, "marker": marker, "mfc": face(network, colour)})
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [plain(count) for count in counts])
    axes.minorticks_off()
    axes.set_ylim(0, 1.15)
    axes.set_xlabel("processes")


def points(found: list[Line], kind: str, axes: Axes, looks: dict[str, str]) -> None:
    """With their intervals where there are six runs."""
    for line in found:
        at = getattr(line, kind)
        ends = [[0.0], [0.0]] if np.isnan(at.low) else [[at.median - at.low], [at.high - at.median]]
        axes.errorbar([line.processes], [at.median], ends, capsize=3, linestyle="none", **looks)


def face(network: str, colour: str) -> str:
    """The inside of a marker: hollow over a network."""
    return "white" if network else colour
