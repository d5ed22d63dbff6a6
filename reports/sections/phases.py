"""Where the time of profiled runs goes: phases as tables and bars, the roofline, and what the first time costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.profiling.profile import Start
from benchmarks.profiling.roofline import LOOKS, roofline
from benchmarks.profiling.store import Saved, load

from ..data.statistics import seconds
from ..page.page import Section, Shown
from ..page.write import caption, html_table, write_figure, write_table

NAME, TITLE = "phases", "Where the time of a run goes"
MORE = "No run has been profiled here: `python -m benchmarks profile --save` profiles one for the next report."
SOLVES = (10, 100)
# Grey levels of LOOKS come close to each other: the hatches tell the bars apart in print.
HATCHES = dict(zip(LOOKS, ("", "//", "", "\\\\", "..", "", "xx", ""), strict=True))


def phases(saved: Sequence[Saved]) -> pd.DataFrame:
    """The phases of the profiled runs, of those that took any time: seconds, their share of the run, how often they
    were entered, and the share of what this machine reaches (the time that it needs for the FLOPs and bytes of a phase,
    known by formula, over the time that it took; above 100 %, caches or a better kernel than the calibration's; a dash:
    no formula). Profiled runs are a little slower than others: `python -m benchmarks profile` says by how much."""
    rows = [
        named(found)
        | {"phase": row.name, "time": seconds(row.seconds), "share": f"{100 * row.seconds / found.profile.total:.1f} %"}
        | {"entered": row.calls}
        | {"reached": "-" if math.isnan(row.reached) else f"{100 * row.reached:.0f} %"}
        for found in saved
        for row in found.profile.phases
        if row.seconds > 0
    ]
    return without_constant(pd.DataFrame(rows))


def starts(saved: Sequence[Saved]) -> pd.DataFrame:
    """The first time and later ones, in processes that each solved nothing but this. Context: until the device answers.
    Data: the copy to the device. Cold: the first solve, with the context, the data and what the first factorisation
    loads before it. Warm: a solve that has everything in place. Then what a solve costs if a process makes so many of
    them: they share the cold start. Importing torch and making the problem are in none of these."""
    rows = []
    for found in saved:
        first = found.profile.cold
        if not {"context", "factorisation", "run"} <= first.keys():
            continue
        context, copy = first["context"].first, first.get("data to device", Start(0.0)).first
        library = first["factorisation"].first - first["factorisation"].warm
        cold, warm = context + copy + library + first["run"].first, first["run"].warm
        rows.append(
            named(found)
            | {"context": seconds(context), "data": seconds(copy) if copy else "-"}
            | {"cold": seconds(cold), "warm": seconds(warm)}
            | {f"a solve of {k}": seconds((cold + (k - 1) * warm) / k) for k in SOLVES}
        )
    return without_constant(pd.DataFrame(rows))


def named(found: Saved) -> dict[str, object]:
    """What tells a profile from others."""
    case = found.profile.case
    rows, size = found.profile.shape
    return {
        **{"machine": found.machine, "problem": case.problem, "solver": case.label, "n": rows, "d": size},
        **{"dtype": case.dtype, "device": case.device, "threads": case.threads},
    }


def without_constant(table: pd.DataFrame) -> pd.DataFrame:
    """Without those columns of the set-up that say the same in every row."""
    setup = [name for name in ("machine", "dtype", "device", "threads") if name in table]
    return table.drop(columns=[name for name in setup if table[name].nunique() == 1])


def bars(saved: Sequence[Saved], axes: Axes) -> None:
    """One bar a profile, cut into the shares of its phases."""
    left = np.zeros(len(saved))
    for name in (row.name for row in saved[0].profile.phases):
        share = np.array([sum(r.seconds for r in s.profile.phases if r.name == name) / s.profile.total for s in saved])
        if not share.any():
            continue
        colour, hatch = LOOKS.get(name, ("#ffffff", ""))[0], HATCHES.get(name, "oo")
        axes.barh(range(len(saved)), 100 * share, left=left, color=colour, hatch=hatch, edgecolor="white", label=name)
        for row in np.flatnonzero(share >= 0.06):
            ink = {"color": "black", "fontsize": 8, "ha": "center", "va": "center"}
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85}
            axes.text(left[row] + 50 * share[row], row, f"{100 * share[row]:.0f}", bbox=box, **ink)
        left += 100 * share
    axes.set_yticks(range(len(saved)), [bar_label(found) for found in saved])
    axes.set_xlim(0, 100)
    axes.set_ylim(len(saved) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.set_xlabel("share of the run's time (%)")


def bar_label(found: Saved) -> str:
    case = found.profile.case
    setup = [case.dtype, case.device, f"{case.threads} thread{'s' * (case.threads > 1)}"]
    return f"{case.label}\n{case.problem}\n{', '.join(setup)}\n{seconds(found.profile.total)}"


def phases_section(folder: Path, out: Path) -> Section:
    """Tables and figures below `out`, of all profiles in a folder that need not be there."""
    saved, skipped = load(folder)
    note = skipped_words(skipped)
    if not saved:
        return Section(NAME, TITLE, "", "", (), " ".join(filter(None, [MORE, note])))
    tables = ""
    for make, stem in ((phases, "phases"), (starts, "cold-starts")):
        table = make(saved)
        write_table(table, caption(make), out / "tables" / stem)
        tables += (f'<p class="soft">{caption(make)}</p>' if tables else "") + html_table(table)
    canvas = Figure(figsize=(7.2, 1.9 + 0.85 * len(saved)), layout="constrained")
    axes = canvas.add_subplot()
    bars(saved, axes)
    axes.set_title("Phases of the profiled runs")
    canvas.legend(handles=axes.get_legend_handles_labels()[0], loc="outside lower center", ncols=4)
    svg = write_figure(canvas, out / "figures" / "phase-shares", taken(saved))
    figures = [Shown("phase-shares", "Phases", f"Numbers: per cent, from 6 % on. {taken(saved)}", svg)]
    for number, found in enumerate(saved, 1):
        canvas = Figure(figsize=(7.2, 5.4), layout="constrained")
        roofline(found.profile, canvas.add_subplot())
        stem, title = f"roofline--{number}", f"Roofline: {found.profile.case.label} on {found.profile.case.problem}"
        svg = write_figure(canvas, out / "figures" / stem, taken([found]))
        figures.append(Shown(stem, title, f"{ROOFLINE} {taken([found])}", svg))
    return Section(NAME, TITLE, caption(phases), tables, figures, note)


ROOFLINE = (
    "Each phase by its FLOPs a byte and its rate, both by formula; the lines are what this machine reached in the same "
    "session. A phase below the slope waits for memory or for Python, below the roof for arithmetic."
)


def taken(saved: Sequence[Saved]) -> str:
    """Profiled 2026-11-23 on AMD EPYC, 2 cores; commit 4a5ad3b32c18."""
    days = sorted({found.date[:10] for found in saved})
    machines = "; ".join(sorted({found.machine for found in saved}))
    commits = sorted({found.commit or "not in git" for found in saved})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"Profiled {when} on {machines}; commit{'s' * (len(commits) > 1)} {', '.join(commits)}."


def skipped_words(skipped: dict[str, str]) -> str:
    if not skipped:
        return ""
    words = "; ".join(f"{name} ({reason})" for name, reason in skipped.items())
    return f"{len(skipped)} file{'s' * (len(skipped) > 1)} left out: {words}."
