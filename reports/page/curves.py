"""The lines of a figure as numbers, from which explore.js draws it again: values under the cursor, zoom, other axes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Rectangle
from matplotlib.path import Path as Outline
from matplotlib.ticker import FixedLocator

from ..figures.style import CURVE, OTHERS

DIGITS = 4  # of a number
DASHES = {"-": [], "--": [7, 4], ":": [2, 3], "-.": [8, 3, 2, 3]}
LETTERS = {Outline.MOVETO: "M", Outline.LINETO: "L", Outline.CURVE3: "Q", Outline.CURVE4: "C", Outline.CLOSEPOLY: "Z"}


def curves(canvas: Figure) -> dict[str, Any] | None:
    """The named lines of a figure with one pair of axes, and what these say; None where it has none.

    A line has more than one point. Its name is that of its solver (style.CURVE), else its label. `style.also` may have
    given it other values of x, a band, and, where it is grey, the look that it has once a reader chooses it.
    """
    if len(canvas.axes) != 1:
        return None
    axes = canvas.axes[0]
    lines = [found for line in axes.lines if (found := _line(line, axes))]
    if not lines:
        return None
    spans = [p for p in axes.patches if isinstance(p, Rectangle) and p.get_transform() != axes.transData]
    return {
        "title": axes.get_title(loc="left") or axes.get_title(loc="center"),
        "x": _axis(axes.xaxis, axes.get_xlim()),
        "y": _axis(axes.yaxis, axes.get_ylim()),
        "spans": [[span.get_y(), span.get_y() + span.get_height()] for span in spans if span.get_height() > 0],
        "lines": lines,
    }


def _axis(axis: Axis, limits: tuple[float, float]) -> dict[str, Any]:
    """Its label, its limits, whether it is logarithmic; and its ticks, where these are words."""
    about = {"label": axis.get_label_text(), "log": axis.get_scale() != "linear", "limits": sorted(map(float, limits))}
    if isinstance(axis.get_major_locator(), FixedLocator):
        places = [float(place) for place in axis.get_majorticklocs()]
        words = axis.get_major_formatter().format_ticks(places)
        if not all(re.fullmatch(r"[\d.,]*", word) for word in words):
            about["ticks"] = list(zip(places, words, strict=True))
    return about


def _line(line: Line2D, axes: Axes) -> dict[str, Any] | None:
    name, label = (line.get_gid() or "").removeprefix(CURVE), str(line.get_label())
    label = name if label.startswith("_") or label.endswith(OTHERS) else label
    x, y = (np.asarray(values, dtype=float) for values in line.get_data())
    if not label or len(x) < 2 or line.get_linestyle() not in DASHES or line.get_transform() != axes.transData:
        return None
    there = np.isfinite(x) & np.isfinite(y)
    more = getattr(line, "also", {})
    look = more.get("look")
    colour, marker, face, dash = look or (
        line.get_color(), line.get_marker(), line.get_markerfacecolor(), line.get_linestyle()
    )  # fmt: skip
    return {
        "name": name,
        "label": label,
        "colour": to_hex(colour),
        "marker": str(marker),
        "hollow": to_hex(face) == "#ffffff",
        "dash": DASHES[dash],
        "grey": bool(look),
        "steps": line.get_drawstyle() == "steps-post",
        "y": y[there],
        "x": {"": x[there]} | {other: np.asarray(values)[there] for other, values in more.get("x", {}).items()},
        "band": {which: [np.asarray(end)[there] for end in ends] for which, ends in more.get("band", {}).items()},
    }


@dataclass
class Arrays:
    """All arrays of a page, the same one only once: figures of one problem share their times."""

    places: dict[str, int] = field(default_factory=dict)

    def place(self, values: np.ndarray) -> int:
        text = ",".join(map(_number, values.tolist()))
        return self.places.setdefault(text, len(self.places))


def _number(value: float) -> str:
    if not np.isfinite(value):
        return "null"
    short = f"{value:.{DIGITS}g}"
    return (
        str(int(value)) if value == int(value) and abs(value) < 1e6 else json.dumps(float(short)).replace("e-0", "e-")
    )


def as_json(figures: Iterable[tuple[str, dict[str, Any]]]) -> str:
    """What explore.js reads: the figures by name, their arrays by place, and the outlines of their markers."""
    arrays, markers, found = Arrays(), {}, {}
    for name, figure in figures:
        lines = []
        for line in figure["lines"]:
            markers[line["marker"]] = outline(line["marker"])
            x = {other: arrays.place(values) for other, values in line["x"].items()}
            band = {which: [arrays.place(end) for end in ends] for which, ends in line["band"].items()}
            lines.append(line | {"y": arrays.place(line["y"]), "x": x, "band": band})
        found[name] = figure | {"lines": lines}
    rest = json.dumps({"figures": found, "markers": markers}, separators=(",", ":"))
    text = f'{{"arrays":[{",".join(f"[{values}]" for values in arrays.places)}],{rest[1:]}'
    return text.replace("<", "\\u003c")


def outline(marker: str) -> str:
    """The outline of a marker one wide, as the `d` of an SVG path; empty for none."""
    style = MarkerStyle(marker if marker not in ("None", "none", "") else "")
    shape = style.get_path().transformed(style.get_transform())
    parts = []
    for places, kind in shape.iter_segments(simplify=False):
        numbers = [] if kind == Outline.CLOSEPOLY else [f"{-v if k % 2 else v:.3g}" for k, v in enumerate(places)]
        parts.append(LETTERS[kind] + " ".join(numbers))
    return "".join(parts)
