"""Over processes and machines: how efficient solvers are there, and what a model predicts for many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.scale.model import EXACT, PRODUCTS, RANKS, crossing, missed, networks, predictions, sizes
from benchmarks.scale.store import Measured, load
from benchmarks.scale.summary import bandwidth, lines

from ..data.repeats import without_constant
from ..figures.processes import efficiency_figure
from ..page.section import Section, SectionWriter
from ..statistics.estimate import Estimate, show
from ..tables.record import Table
from ..text import left_out, percent

NAME, TITLE = "processes", "Processes and machines"
HOW_TO_MEASURE = (
    "Nothing was measured over several processes here: `python -m benchmarks scale` takes about two minutes."
)
WORDS = (
    "Points are measured, with 95 % intervals; lines are a model that was fitted to one process and to the times of "
    "sums: ranks with a core and a memory of their own, sums in a ring."
)

HERE = "this machine"


def processes(sessions: Sequence[Measured]) -> pd.DataFrame:
    """Each row is a solver over so many processes of one thread: the median time of a run, and its efficiency against
    one process, with the same rows in all (strong) or in each (weak). Waiting: the share of the time inside sums.
    Sums and bytes: of each process, an iteration. GB/s: what all processes reach together where each reads and writes
    memory, which bounds products."""
    rows = []
    for measured in sessions:
        triads = bandwidth(measured)
        for line in lines(measured):
            several = line.processes > 1
            gbs = triads.get(line.processes) if not line.network else None
            rows.append(
                {"machine": measured.machine, "d": measured.plan.d, "solver": line.solver}
                | {"network": line.network or HERE, "processes": line.processes, "rows": line.rows}
                | {
                    "time": show(Estimate(*line.seconds, line.seconds.rounds)),
                    "strong": line.strong.times(1),
                    "weak": line.weak.times(1),
                }
                | {"waiting": percent(line.waiting) if several else "-"}
                | {"sums": f"{line.collectives:.1f}" if several else "-"}
                | {"bytes": f"{line.bytes:,.0f}" if several else "-"}
                | {"GB/s": f"{gbs.median:.3g}" if gbs else "-", "status": line.status}
            )
    return without_constant(pd.DataFrame(rows), "machine", "d", "status")


def predicted(sessions: Sequence[Measured]) -> pd.DataFrame:
    """Predicted, not measured: each row is a solver over ranks that have a core and a memory of their own. Strong:
    efficiency with the rows n in all of them; weak: with `rows` in each. Loses from: so many coefficients d, from which
    on newton-cg would take less time, with `rows` in each."""
    rows = []
    for measured in sessions:
        n, each = sizes(measured)
        both = {EXACT, PRODUCTS} <= set(measured.plan.solvers)
        widths = {
            (name, ranks): crossing(measured, name, ranks) for name in networks(measured) for ranks in RANKS if both
        }
        for found in predictions(measured):
            width = widths.get((found.network, found.ranks), math.nan) if found.solver == EXACT else math.nan
            rows.append(
                {"machine": measured.machine, "d": measured.plan.d, "n": n, "rows": each}
                | {"solver": found.solver, "network": found.network or f"as on {HERE}", "ranks": found.ranks}
                | {"strong": f"{found.strong:.2g}", "weak": f"{found.weak:.2g}"}
                | {"loses from": "-" if math.isnan(width) else f"{width:,.0f}" if math.isfinite(width) else "never"}
            )
    return without_constant(pd.DataFrame(rows), "machine", "d", "n", "rows")


def processes_section(folder: Path, out: Path) -> Section:
    """Of all sessions in a folder, which need not be there; the figure is of the newest."""
    writer = SectionWriter(NAME, TITLE, out)
    sessions, skipped = load(folder)
    if not sessions:
        return writer.section(" ".join(filter(None, [HOW_TO_MEASURE, left_out(skipped)])))
    writer.table(MEASURED, MEASURED.make(sessions))
    writer.table(PREDICTED, PREDICTED.make(sessions))
    newest = sessions[0]
    source = f"{newest.machine}, {newest.date[:10]}, commit {newest.commit or 'unknown'}"
    writer.figure(NAME, TITLE, efficiency_figure(newest), f"{WORDS} {_size(newest)}, {source}.", source=source)
    return writer.section(" ".join([*_notes(sessions), *filter(None, [left_out(skipped)])]))


def _size(measured: Measured) -> str:
    return f"{sizes(measured)[0]:,} x {measured.plan.d}"


def _notes(sessions: Sequence[Measured]) -> list[str]:
    """How far the model is off, which networks were not there, and whether other work disturbed."""
    notes = []
    for measured in sessions:
        errors = missed(measured)
        place = max(errors, key=lambda cell: abs(errors[cell]))
        network = f" over {place[0]}" if place[0] else ""
        notes.append(
            f"{_size(measured)}: the model misses the measured times by at most {percent(abs(errors[place]))} "
            f"({place[1]}, {place[2]} processes{network})."
        )
        notes += [f"Not measured over {name}: {reason}." for name, reason in measured.left_out.items()]
        runs = measured.frame[measured.frame["what"] == "fit"]
        if disturbed := int(runs["disturbed"].eq(True).sum()):
            notes.append(f"Other work on the machine delayed {disturbed} of {len(runs)} runs.")
    return notes


MEASURED = Table("processes", processes, "Over processes and machines, measured")
PREDICTED = Table("processes-predicted", predicted, "Over more of them, predicted")
