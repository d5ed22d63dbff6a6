"""The verb `profile`: where the time of one run goes, and what limits its speed."""

from __future__ import annotations

import math
from json import dumps
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.command.cases import check_counts, check_threads
from benchmarks.command.terminal.errors import fail
from benchmarks.profiling import recording as profiling
from benchmarks.profiling.profile import SYNCHRONISATION, Profile, overhead, reached, sums, verdict
from benchmarks.profiling.store import save as save_profile
from benchmarks.runner.suites import DTYPES, Case
from benchmarks.store.records import without_nan
from datasets import DataError
from datasets.registry import recipe
from solvers import Stop
from solvers.common.names import lookup
from solvers.named import canonical

WIDTH = 120  # columns of the table, where the terminal has fewer or there is none
FIGURES = (".png", ".svg", ".pdf")


def profile(
    *,
    repeats: int,
    trace: Path | None,
    roofline: Path | None,
    json: Path | None,
    save: bool,
    store: Path,
    **options: Any,
) -> None:
    """options: those of `_case`."""
    try:
        case = _case(repeats=repeats, **options)
        _writable(trace, roofline, json)
        found = profiling.profile(case, repeats)
    except (ValueError, DataError) as error:
        fail(str(error))
    except MemoryError as error:
        fail(f"the problem does not fit into memory ({error}): choose a smaller one")
    show(found, Console(width=max(WIDTH, Console().width)))
    written = Path()
    try:
        if json:
            written = json
            json.write_text(dumps(without_nan(found.as_dict()), indent=1) + "\n")
        if save:
            written = store
            save_profile(found, store)
        if roofline:
            from benchmarks.profiling.roofline import draw

            written = roofline
            draw(found, roofline)
        if trace:
            written = trace
            profiling.trace(case, trace)
    except OSError as error:
        fail(f"{str(written)!r} cannot be written ({error.strerror}): name another file")


def _case(
    *,
    problem: str | None,
    n: int | None,
    d: int | None,
    solver: str,
    device: str,
    dtype: str,
    threads: int,
    iterations: int,
    repeats: int,
) -> Case:
    """The case to run; ValueError for wrong options."""
    solver = canonical(solver)
    lookup(dict.fromkeys(DTYPES), dtype, "dtype")
    check_counts(iterations=iterations, repeats=repeats)
    check_threads([threads])
    if (n is None) != (d is None):
        raise ValueError("--n and --d go together: the rows and the columns of a synthetic problem")
    if n is None or d is None:
        problem = problem or "breast-cancer-l2"
    else:
        if problem is not None:
            raise ValueError("--problem names a problem, --n and --d make one: choose")
        if n < 4 or d < 1:
            raise ValueError(f"--n must be at least 4 and --d at least 1, found {n} and {d}")
        problem = f"synthetic-{n}x{d}"
    recipe(problem)
    return Case(problem, solver, stop=Stop(iterations=iterations), dtype=dtype, device=device, threads=threads)


def _writable(trace: Path | None, roofline: Path | None, json_file: Path | None) -> None:
    """Check the paths before anything is measured; ValueError for one that cannot be written."""
    for option, path in (("--trace", trace), ("--roofline", roofline), ("--out", json_file)):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise ValueError(f"{option} must name a file in a folder that is there, found {str(path)!r}")
    if roofline is not None and roofline.suffix not in FIGURES:
        raise ValueError(f"--roofline must end in {', '.join(FIGURES)}, found {roofline.name!r}")


def show(profile: Profile, console: Console) -> None:
    case, (rows, size) = profile.case, profile.shape
    table = Table(
        "phase",
        *("ms", "%", "calls", "MFLOP", "MB", "GFLOP/s", "GB/s", "% reached", "operations", "reads"),
        title=f"{case.label} on {case.problem} ({rows:,} rows, {size:,} coefficients)\n"
        f"{case.dtype}, {case.device}, {case.threads} thread{'s' if case.threads > 1 else ''}; "
        f"{profile.status} after {profile.iterations} iterations",
        title_justify="left",
        box=SIMPLE,
    )
    for column in table.columns:
        column.no_wrap, column.justify = True, "left" if column is table.columns[0] else "right"
    for row in profile.phases:
        numbers = [number(value) for value in (1e-6 * row.flops, 1e-6 * row.bytes, row.gflops, row.gbs)]
        table.add_row(
            row.name,
            number(1e3 * row.seconds),
            f"{row.seconds / profile.total:.1%}",
            f"{row.calls}",
            *numbers,
            reached(row),
            f"{row.operations}",
            f"{row.reads}",
        )
    table.add_section()
    flops, moved = (sum(getattr(row, name) for row in profile.phases) for name in ("flops", "bytes"))
    table.add_row(
        "total, with phases",
        number(1e3 * profile.total),
        f"{1 - profile.missing:.2%}",
        "",
        *(number(1e-6 * flops), number(1e-6 * moved)),
        *(number(1e-9 * amount / profile.total) for amount in (flops, moved)),
        "",
        f"{profile.operations}",
        f"{profile.reads}",
    )
    console.print(table)
    for line in notes(profile):
        console.print(line, highlight=False, soft_wrap=True)


def number(value: float) -> str:
    return "-" if not value else f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def notes(profile: Profile) -> list[str]:
    """The lines under the table; the last is the verdict."""
    plain, read = profile.uninstrumented, profile.calibration["read_us"]
    every = [without for without, _ in profile.totals] or [plain]
    lines = [
        f"{sums(profile)}",
        f"without phases: {1e3 * plain:.4g} ms, the median of {len(every)} runs ({1e3 * min(every):.4g} to "
        f"{1e3 * max(every):.4g}); {overhead(profile)}",
        "FLOPs and bytes are by formula, leading terms: work done once for each row or coefficient is left out. "
        "% reached: the time that this machine would need for them, over the time it took; > 100 % with caches or "
        "a better kernel than in the calibration",
    ]
    if not profile.formulas:
        lines.append("there are no formulas for this objective: its FLOPs and bytes are not known")
    if profile.case.device == "cpu":
        lines.append(
            f"{SYNCHRONISATION}: on the CPU the host does not wait; its {profile.reads} reads of a number, at "
            f"{read:.2g} us each, take about {1e-3 * profile.reads * read:.2g} ms inside the other phases (an estimate)"
        )
    else:
        lines.append(
            f"{SYNCHRONISATION}: what remains of a read by the host once the device is idle; the work that it waits "
            "for is in the phase that started it"
        )
    for title, found in (("in general", profile.calibration), ("at this size", profile.at_size)):
        lines.append(f"this machine reaches, {title}: " + ", ".join(f"{unit(k)} {v:.3g}" for k, v in found.items()))
    cold = (
        f"{name} {1e3 * start.first:.3g} ms" + ("" if math.isnan(start.warm) else f" (warm {1e3 * start.warm:.3g})")
        for name, start in profile.cold.items()
    )
    lines.append("the first time in this process: " + ", ".join(cold))
    return [*lines, f"limited by: {verdict(profile)}"]


def unit(key: str) -> str:
    """A key of the calibration, in words."""
    name, _, measured_in = key.rpartition("_")
    return f"{name} {dict(gflops='GFLOP/s', gbs='GB/s', us='us')[measured_in]}"
