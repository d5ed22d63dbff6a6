"""A comparison as lines for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ..statistics.estimate import Estimate, show
from ..text import plural, records, show_ratio
from .compare import summaries
from .partners import across_machines
from .selection import STORE, Sides

FEW = 8  # cells without a partner that are named; the others are counted
TITLES = {"run": "The whole run", "gap": "Time to a relative gap of {gap:g}", "iteration": "An iteration"}
KEYS = ["machine", "problem", "solver", "label", "rules", "settings", "dtype", "device", "threads"]


def plain(chosen: Sides, table: pd.DataFrame, alone: Sequence[tuple[str, str]], gap: float) -> dict[str, Any]:
    """A comparison as plain values, for programs."""
    summary = summaries(table).rename(columns={"B / A": "ratio"})
    return {
        **{"kind": chosen.kind, "A": chosen.names[0], "B": chosen.names[1], "gap": gap},
        **{"pairs": records(table), "summary": records(summary)},
        "without_partner": [{"side": side, "case": case} for side, case in alone],
    }


def pair_lines(table: pd.DataFrame, gap: float) -> list[tuple[str, list[str], list[list[str]]]]:
    """For each quantity its title, with all that the pairs share, the columns, and one line per pair."""
    found = []
    for quantity, rows in table.groupby("quantity", sort=False):
        names = [name for name in KEYS if name in rows]
        shared = [f"{rows[name].iloc[0]}" for name in names if rows[name].nunique() == 1]
        varying = [name for name in names if rows[name].nunique() > 1 and not (name == "solver" and "label" in names)]
        title = f"{TITLES[str(quantity)].format(gap=gap)} ({'; '.join(shared)})"
        lines = [[row[name] for name in varying] + _line(row) for row in rows.to_dict("records")]
        found.append((title, [*varying, "A", "B", "B / A", "B is", "results"], lines))
    return found


def _line(row: dict) -> list[str]:
    times = ["-"] * 2 if math.isnan(row["A"]) else [_side(row, "A"), _side(row, "B")]
    ratio = "-" if math.isnan(row["ratio"]) else show_ratio(row["ratio"], row["low"], row["high"])
    return [*times, ratio, row["verdict"], row["results"]]


def _side(row: dict, name: str) -> str:
    found = Estimate(*(row[f"{name}{part}"] for part in ("", " low", " high", " reached", " repeats", " beyond")))
    marked = f" ({row[f'{name} disturbed']} of {found.repeats} disturbed)" if row[f"{name} disturbed"] else ""
    return show(found) + marked


def summary_lines(chosen: Sides, table: pd.DataFrame) -> list[str]:
    """A line a quantity, and one more where machines differ."""
    lines = []
    for row in summaries(table).to_dict("records"):
        where = f" on {row['machine']}" if "machine" in row and table["machine"].nunique() > 1 else ""
        counted = ", ".join(f"{row[word]} {word}" for word in ("faster", "slower", "same", "undecided", "no ratio"))
        mean = "no ratio" if math.isnan(row["B / A"]) else show_ratio(row["B / A"], row["low"], row["high"])
        lines.append(f"{row['quantity']}{where}: B / A {mean} (geometric mean of {row['ratios']}); B is {counted}")
    differ = table.drop_duplicates([name for name in KEYS if name in table])["results"] != "agree"
    lines.append(f"results: {int((~differ).sum())} pairs agree, {int(differ.sum())} differ")
    if chosen.kind == STORE and across_machines(chosen):
        a, b = (frame["machine"].iloc[0] for frame in chosen.frames)
        lines.append(f"the machines differ: A on {a}, B on {b}")
    return lines


def without_partner(alone: Sequence[tuple[str, str]]) -> str:
    """The first few cells of each side, and how many more."""
    parts = []
    for side in ("A", "B"):
        if cells := [cell for owner, cell in alone if owner == side]:
            more = f", and {plural(len(cells) - FEW, 'other')}" if len(cells) > FEW else ""
            parts.append(f"{len(cells)} of {side} ({', '.join(cells[:FEW])}{more})")
    return "; ".join(parts)
