"""One colour and one marker a solver, everywhere."""

from __future__ import annotations

import matplotlib as mpl

# Okabe & Ito's palette, made to be told apart by colour-blind readers; the markers do it in grey.
LOOKS: dict[str, tuple[str, str]] = {
    "gradient-descent": ("#999999", "o"),
    "newton": ("#D55E00", "s"),
    "newton-cholesky": ("#0072B2", "D"),
    "newton-damped": ("#56B4E9", "^"),
    "newton-levenberg": ("#009E73", "v"),
    "newton-cg": ("#000000", "<"),
    "newton-diagonal": ("#E69F00", "P"),
    "newton-diagonal-damped": ("#CC79A7", "X"),
}
_SPARE = [(colour, marker) for colour in ("#000000", "#8C6D31", "#5254A3") for marker in ("*", "h", "<", ">", "p", "d")]
_LINES = ("-", "--", ":", "-.")


def look(solver: str) -> tuple[str, str]:
    """Colour and marker: fixed for the known solvers, derived from the name (and so always the same) for others."""
    if solver in LOOKS:
        return LOOKS[solver]
    return _SPARE[sum(solver.encode()) % len(_SPARE)]


def line(variant: int) -> str:
    """The line style of the nth variant of one solver."""
    return _LINES[variant % len(_LINES)]


def apply() -> None:
    """Settings of every figure; the fixed hash salt makes the same figure the same file."""
    mpl.rcParams.update(
        {
            "svg.hashsalt": "hessbench",
            "svg.fonttype": "none",
            "font.size": 10,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
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
