"""One colour and one marker per solver, everywhere."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from solvers import SOLVERS
from solvers.adapters import PEERS
from solvers.common.names import library

# No two solvers share a colour. Each has a contrast of 3 to white (WCAG 2.1), and is as far from the others as was
# found in Oklab, with all cones and without the red or green ones (Machado et al. 2009). In grey the markers differ.
LOOKS: dict[str, tuple[str, str]] = {
    "auto": ("#B600FF", "*"),
    "gradient-descent": ("#767676", "o"),
    "newton": ("#D55E00", "s"),
    "newton-cholesky": ("#0072B2", "D"),
    "newton-chebyshev": ("#A67000", "p"),
    "newton-damped": ("#E0218A", "^"),
    "newton-levenberg": ("#6B7A00", "v"),
    "newton-modified-cholesky": ("#A3002A", "H"),
    "newton-cg": ("#000000", "<"),
    "newton-sampled": ("#1A8F2E", "h"),
    "trust-region-exact": ("#4992FF", "d"),
    "trust-region-steihaug": ("#6D496D", "<"),
    "trust-region-dogleg": ("#FF31DB", "8"),
    "cubic": ("#2461FF", ">"),
    "gauss-newton": ("#009494", "P"),
    "levenberg-marquardt": ("#00553D", "p"),
    "kfac": ("#9E55C2", "h"),
    "newton-diagonal": ("#0000F3", "P"),
    "newton-diagonal-damped": ("#C96FA2", "X"),
    "lbfgs": ("#920CAA", ">"),
    "bfgs": ("#FF496D", "X"),
    "gradient-descent-armijo": ("#493DC2", "d"),
    "barzilai-borwein": ("#C23D49", "<"),
    "nesterov": ("#6D5500", "p"),
    "newton-self-concordant": ("#23308C", "8"),
    "newton-gradient-regularised": ("#799E61", "h"),
    "newton-fixed-hessian": ("#B66DF3", "d"),
    "newton-shamanskii": ("#7992C2", "v"),
    "newton-sketched": ("#B6006D", ">"),
    "diagonal-majoriser": ("#31AA00", "*"),
    "newton-diagonal-hutchinson": ("#185592", "s"),
}
# Methods of other libraries, which are drawn hollow: one colour per library, from Tol's muted palette
# (SRON/EPS/TN/09-002, 2021), and one marker per method, in the order of the registry.
LIBRARIES: dict[str, str] = {
    "scikit-learn": "#CC6677",
    "scipy": "#332288",
    "scipy-numpy": "#88CCEE",
    "glum": "#117733",
    "snapml": "#882255",
    "torch.optim": "#999933",
    "torch-autograd": "#DDCC77",
    "pytorch-minimize": "#44AA99",
    "statsmodels": "#AA4499",
    "optimistix": "#0077BB",
    "spark-ml": "#E25A1C",
    "dask-ml": "#FFC11E",
}
_COLOURS = ("#000000", "#8C6D31", "#5254A3", "#637939", "#843C39", "#7B4173")
_MARKERS = ("*", "h", "<", ">", "p", "d", "o", "s", "^", "v", "D", "P", "X", "H", "8")
_METHODS = ("o", "s", "^", "D", "v", "P", "X", "p", "h", "<", ">", "d")
_SPARE = [(colour, marker) for colour in _COLOURS for marker in _MARKERS]
FEW = 8  # curves in colour, whose legend has three rows
CURVE = "curve:"  # begins the id, in an SVG, of all that one solver has drawn
OTHERS = " others"  # ends the label that stands for the curves in grey
LETTERS = 105  # in a row of labels
_LINES = ("-", "--", ":", "-.")


def look(solver: str) -> tuple[str, str]:
    """Colour and marker, always the same: no two registered solvers or peers share both, nor does another with them."""
    return _registered().get(solver) or _unknown(solver)


def face(solver: str) -> str:
    """The inside of the marker: hollow for a method of another library."""
    return "white" if library(solver) else look(solver)[0]


@cache
def _registered() -> dict[str, tuple[str, str]]:
    """Fixed looks; for other solvers one derived from the name, or the next that is free."""
    found = dict(LOOKS)
    for name in (*SOLVERS, *PEERS):
        methods = [other for other in PEERS if library(other) == library(name)]
        if library(name) in LIBRARIES and len(methods) <= len(_METHODS):
            found[name] = LIBRARIES[library(name)], _METHODS[methods.index(name)]
        elif name not in found:
            places = ((_place(name) + step) % len(_SPARE) for step in range(len(_SPARE)))
            found[name] = next((spare for at in places if (spare := _SPARE[at]) not in found.values()), _SPARE[0])
    return found


@cache
def _unknown(name: str) -> tuple[str, str]:
    """The look of a plug-in, or of an optimiser of torch: derived from the name, and none of the registered ones."""
    free = [spare for spare in _SPARE if spare not in _registered().values()]
    return free[zlib.crc32(name.encode()) % len(free)]


def _place(name: str) -> int:
    return zlib.crc32(name.encode()) % len(_SPARE)


def line(variant: int, solver: str = "") -> str:
    """The line style of the nth variant of one solver; only lines of ours are full."""
    return _LINES[1 + variant % 3] if library(solver) else _LINES[variant % len(_LINES)]


def canvas(height: float = 4.2) -> tuple[Figure, Axes]:
    """A figure as wide as the page, and its only axes."""
    figure = Figure(figsize=(7.2, height), layout="constrained")
    return figure, figure.add_subplot()


def also(
    line: Line2D,
    *,
    x: Mapping[str, Sequence[float]] | None = None,
    band: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
    look: tuple[str, str, str, str] | None = None,
) -> None:
    """What the page knows of a line beside what is drawn, point by point.

    x: other values of x that a reader may choose, by their label. band: {"x": (low, high)} or {"y": (low, high)}.
    look: colour, marker, the inside of the marker and line style that a grey line has once a reader chooses it.
    """
    line.also: dict[str, Any] = {"x": x or {}, "band": band or {}, "look": look}


def height(curves: int) -> float:
    """Inches that a figure with so many curves, or rows, takes: the legend grows, and its axes do not shrink."""
    return 4.2 if curves <= FEW else 4.2 + 0.2 * (curves - FEW)


def legend(canvas: Figure, handles: Sequence[Artist], columns: int = 3) -> None:
    """Below the axes, the label of the grey curves last; in smaller letters where there are many or there is
    little room, in columns as wide as the longest label needs. None where nothing has a label."""
    if not handles:
        return
    handles = sorted(handles, key=lambda handle: str(handle.get_label()).endswith(OTHERS))
    many = {"fontsize": 8, "columnspacing": 1.0} if len(handles) > FEW or columns < 3 else {}
    longest = max(len(str(handle.get_label())) for handle in handles)
    canvas.legend(handles=handles, loc="outside lower center", ncols=max(1, min(columns, LETTERS // longest)), **many)


def apply() -> None:
    """Settings of every figure; the fixed hash salt makes the same figure the same file."""
    mpl.rcParams.update(
        {
            "svg.hashsalt": "hessbench",
            "svg.fonttype": "none",
            "font.size": 10,
            "font.sans-serif": ["DejaVu Sans", "Arial"],  # each text of an SVG names them all
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.titley": 1.0,  # no ticks are above the axes: to look for them takes an eighth of the time of a figure
            "axes.spines.top": False,
            "axes.spines.right": False,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.6,
            "lines.linewidth": 1.6,
            "lines.markersize": 5,
            "legend.frameon": False,
            "figure.dpi": 110,
            "figure.constrained_layout.w_pad": 0.1,
        }
    )
