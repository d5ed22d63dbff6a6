"""Where the time of profiled runs goes: phases as tables and bars, the roofline, and what the first time costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmarks.profiling.profile import Start, overhead, reached
from benchmarks.profiling.roofline import LOOKS, roofline
from benchmarks.profiling.store import Saved, load

from ..data.provenance import when
from ..data.repeats import without_constant
from ..figures import style
from ..page.section import Section, SectionWriter
from ..tables.record import Table
from ..text import left_out, seconds, setup

NAME, TITLE = "phases", "Where the time of a run goes"
HOW_TO_MEASURE = (
    "No run has been profiled here: `python -m benchmarks profile --save` profiles one for the next report."
)
SOLVES = (10, 100)
SETUP = ("machine", "dtype", "device", "threads")
# Grey levels of LOOKS come close to each other: the hatches tell the bars apart in print.
HATCHES = dict(zip(LOOKS, ("", "//", "", "\\\\", "..", "", "xx", ""), strict=True))


def phases(saved: Sequence[Saved]) -> pd.DataFrame:
    """Each row is a phase of a profiled run: its time, its share of the run, how often it was entered, and the share of
    what this machine can reach for its FLOPs and bytes. A dash: no formula gives these. > 100 %: caches, or a better
    kernel than the calibration's."""
    rows = [
        named(found)
        | {"phase": row.name, "time": seconds(row.seconds), "share": f"{100 * row.seconds / found.profile.total:.1f} %"}
        | {"entered": row.calls}
        | {"reached": reached(row).replace("%", " %")}
        for found in saved
        for row in found.profile.phases
        if row.seconds > 0
    ]
    return without_constant(pd.DataFrame(rows), *SETUP)


def starts(saved: Sequence[Saved]) -> pd.DataFrame:
    """Each row is a solver in a fresh process. Context: the time until the device answers. Data: the copy to the
    device. Cold: the first solve with both. Warm: a later solve. Last, the mean time of a solve in a process that makes
    10 or 100."""
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
    return without_constant(pd.DataFrame(rows), *SETUP)


def named(found: Saved) -> dict[str, object]:
    """The columns that name a profile."""
    case = found.profile.case
    rows, size = found.profile.shape
    return {
        **{"machine": found.machine, "problem": case.problem, "solver": case.label, "n": rows, "d": size},
        **{"dtype": case.dtype, "device": case.device, "threads": case.threads},
    }


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
    about = (case.label, case.problem, setup(case.dtype, case.device, case.threads), seconds(found.profile.total))
    return "\n".join(about)


def name(found: Saved) -> str:
    return f"{found.profile.case.label} on {found.profile.case.problem}"


def phases_section(folder: Path, out: Path) -> Section:
    """Of all profiles in a folder that need not be there: phases, cold starts, and a roofline each."""
    writer = SectionWriter(NAME, TITLE, out)
    saved, skipped = load(folder)
    if not saved:
        return writer.section(" ".join(filter(None, [HOW_TO_MEASURE, left_out(skipped)])))
    for record in (PHASES, STARTS):
        writer.table(record, record.make(saved))
    canvas, axes = style.canvas(1.9 + 0.85 * len(saved))
    bars(saved, axes)
    axes.set_title("Phases of the profiled runs")
    style.legend(canvas, axes.get_legend_handles_labels()[0])
    words = f"The share of each phase in the time of a run, in per cent. {profiled(saved)}"
    writer.figure("phase-shares", "Phases", canvas, words, source=profiled(saved))
    for number, found in enumerate(saved, 1):
        canvas, axes = style.canvas(5.4)
        roofline(found.profile, axes)
        title, source = f"Roofline: {name(found)}", profiled([found])
        writer.figure(f"roofline--{number}", title, canvas, f"{ROOFLINE} {source}", source=source)
    busy = [f"{name(found)}: {overhead(found.profile)}." for found in saved if found.profile.busy]
    return writer.section(" ".join(filter(None, [*busy, left_out(skipped)])))


ROOFLINE = (
    "Each phase by its FLOPs per byte and its FLOPs per second; the lines are what this machine reached in the same "
    "session. A phase below the slope waits for memory or for Python, one below the roof for arithmetic."
)


def profiled(saved: Sequence[Saved]) -> str:
    """Profiled 2026-11-23 on AMD EPYC, 2 cores; commit 4a5ad3b32c18."""
    about = pd.DataFrame([{"machine": one.machine, "date": one.date, "commit": one.commit or ""} for one in saved])
    days, commits = when(about).split("; ")
    return f"Profiled {days} on {'; '.join(sorted(set(about['machine'])))}; {commits}."


PHASES, STARTS = Table("phases", phases), Table("cold-starts", starts)
