"""The roofline figure: the speed of the phases of a run against what the machine can do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.profiling.profile import Profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito's palette, which colour-blind readers can distinguish; in grey the markers differ.
LOOKS = {
    "value": ("#999999", "o"),
    "gradient": ("#0072B2", "s"),
    "hessian": ("#D55E00", "D"),
    "factorise": ("#009E73", "^"),
    "solve": ("#CC79A7", "v"),
    "line search": ("#E69F00", "P"),
    "stopping test": ("#56B4E9", "X"),
    "other": ("#000000", "h"),
}
INK = "#333333"


def roofline(profile: Profile, axes: Axes) -> None:
    """Arithmetic intensity against GFLOP/s on logarithmic axes; FLOPs and bytes are by formula.

    The ceilings are what this machine reached in the same session: its memory (triad), and its arithmetic (the best
    of GEMM and SYRK); a thin line is POTRF, the ceiling of `factorise`. Where the problem fits a cache a second slope
    is the triad of its size. A phase without FLOPs is not shown.
    """
    phases = [row for row in profile.phases if row.flops and row.bytes and row.seconds]
    general, at_size = profile.calibration, profile.at_size
    peak = max(general["gemm_gflops"], general["syrk_gflops"], at_size["syrk_gflops"])
    slopes = {"memory": general["triad_gbs"]}
    if at_size["triad_gbs"] > 1.25 * general["triad_gbs"]:
        slopes["cache"] = at_size["triad_gbs"]
    ridge = peak / min(slopes.values())
    left = 0.05 * min([row.intensity for row in phases] + [ridge / 10])
    right = 6 * max([row.intensity for row in phases] + [ridge])
    bottom = 0.4 * min([row.gflops for row in phases] + [left * min(slopes.values())])
    axes.set(xscale="log", yscale="log", xlim=(left, right), ylim=(bottom, 3 * peak))
    axes.set(xlabel="arithmetic intensity (FLOP/byte)", ylabel="GFLOP/s")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)

    for name, slope in slopes.items():
        x = np.array([left, peak / slope])
        axes.plot(x, slope * x, color=INK, linewidth=1.6, linestyle="-" if name == "memory" else "--")
        upper = slope == max(slopes.values())
        at = 10 * left if upper else 1.6 * left
        axes.annotate(
            f"{name}: {slope:.3g} GB/s",
            (at, slope * at),
            xytext=(-6, 3) if upper else (8, -8),
            textcoords="offset points",
            ha="right" if upper else "left",
            fontsize=8,
            color=INK,
        )
    axes.plot([peak / max(slopes.values()), right], [peak, peak], color=INK, linewidth=1.6)
    axes.annotate(
        f"arithmetic: {peak:.3g} GFLOP/s", (right, peak), xytext=(-4, 4), textcoords="offset points", ha="right",
        fontsize=8, color=INK,
    )  # fmt: skip
    potrf = at_size["potrf_gflops"]
    axes.axhline(potrf, color=LOOKS["factorise"][0], linewidth=0.8, linestyle=":")
    axes.annotate(
        f"POTRF: {potrf:.3g} GFLOP/s", (right, potrf), xytext=(-4, -10), textcoords="offset points", ha="right",
        fontsize=8, color=LOOKS["factorise"][0],
    )  # fmt: skip
    for row in phases:
        colour, marker = LOOKS[row.name]
        label = f"{row.name}: {row.seconds / profile.total:.0%} of the time, {row.gflops:.3g} GFLOP/s"
        axes.plot(row.intensity, row.gflops, marker, color=colour, markersize=8, label=label, clip_on=False)
    if phases:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize=8, frameon=False)
    case = profile.case
    threads = f"{case.threads} thread{'s' if case.threads > 1 else ''}"
    axes.set_title(f"{case.label} on {case.problem}\n{case.dtype}, {case.device}, {threads}", loc="left", fontsize=11)


def draw(profile: Profile, path: Path) -> None:
    """The figure as a file, in the format of its suffix."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 5.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    roofline(profile, axes)
    figure.savefig(path)
