"""Logarithmic axes with plain labels."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter


def plain(value: float, _: int = 0) -> str:
    """The label of a decade: 0.01, 1, 1000, 1e-6."""
    if 1e-3 <= value < 1e5:
        return f"{value:g}"
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def decades(axes: Axes, which: str) -> None:
    """Make the axis "x" or "y" logarithmic, with plain labels."""
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(plain)
    axis.set_minor_formatter(NullFormatter())


def iterations(axes: Axes, last: int) -> None:
    """Make the x axis logarithmic from 1 on, with iteration 0 on it."""
    axes.set_xscale("symlog", linthresh=1)
    ticks = [0, *(t for k in range(6) for t in (10**k, 3 * 10**k) if t <= last)]
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.minorticks_off()
    axes.set_xlim(0, last * 1.1)
