"""Which cells of two selections belong together: those that agree in everything but what is compared."""

from __future__ import annotations

import json

import pandas as pd

from .selection import STORE, Sides

Key = tuple[str, ...]
Cell = tuple[Key, pd.DataFrame, pd.DataFrame]
KEY = ["machine", "problem", "solver", "plain_label", "rules", "settings", "dtype", "device", "threads"]
FREE = {  # kind of the two sides -> what partners need not share
    **{"machine": ["machine"], "device": ["device"], "dtype": ["dtype"], "threads": ["threads"]},
    **{"solver": ["solver", "plain_label"]},
}


def partners(sides: Sides) -> tuple[list[Cell], list[tuple[str, str]]]:
    """The cells that both sides have, and those of one side alone: (A or B, its name in words).

    Machines are kept apart unless they are what is compared; a GPU's machine is that of its host.
    """
    a, b = (_cells(frame, sides) for frame in sides.frames)
    alone = [(side, key) for side, own, other in (("A", a, b), ("B", b, a)) for key in own if key not in other]
    return [(key, a[key], b[key]) for key in a if key in b], [(side, _words(key)) for side, key in alone]


def across_machines(sides: Sides) -> bool:
    """Whether each side was measured on one machine, and not on the same."""
    machines = [set(frame["machine"]) for frame in sides.frames]
    return [len(found) for found in machines] == [1, 1] and machines[0] != machines[1]


def _cells(frame: pd.DataFrame, sides: Sides) -> dict[Key, pd.DataFrame]:
    """The repeats of each case, by what partners share; what they need not share is left empty."""
    free = FREE.get(sides.kind, [])
    if sides.kind == STORE and across_machines(sides):
        free = ["machine"]
    settings = {
        run: json.dumps(sides.metadata[run]["case"]["settings"], sort_keys=True) for run in frame["run"].unique()
    }
    frame = frame.assign(settings=frame["run"].map(settings))
    if sides.kind == "device":
        frame = frame.assign(machine=frame["machine"].str.split("; ").str[-1])
    twins = frame.groupby([name for name in KEY if name != "settings"])["settings"].transform("nunique") > 1
    frame = frame.assign(settings=frame["settings"].where(twins, ""))  # named only where they alone differ
    keys = frame[KEY].astype(str).assign(**dict.fromkeys(free, ""))
    return {key: frame.loc[rows] for key, rows in keys.groupby(KEY, sort=False).groups.items()}


def _words(key: Key) -> str:
    named = dict(zip(KEY, key, strict=True))
    shown = [named[name] for name in ("problem", "plain_label", "dtype", "device") if named[name]]
    return (
        " ".join(shown)
        + (f" {named['threads']} threads" if named["threads"] not in ("", "1") else "")
        + (f" ({named['rules']})" if named["rules"] else "")
    )
