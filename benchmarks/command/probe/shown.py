"""What a probe prints: a line for each penalty, the best one, and what to do next."""

from __future__ import annotations

import resource
from typing import Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.command.probe.saved import SavedProbe
from benchmarks.display.output import exact
from datasets.own.prepare import Prepared
from solvers import Status

WIDTH = 130


def show(saved: SavedProbe, prepared: Prepared, l2s: list[float], gap: float, seconds: float, processes: int) -> None:
    """The table, the best penalty, what it took, and what to do next."""
    data, tested = prepared.data, len(prepared.data.y_test)
    rows = f"{len(data.y):,} rows to fit, {tested:,} to validate" if tested else f"{len(data.y):,} rows, none held out"
    table = Table(title=f"{rows}, {data.X.shape[1]:,} columns, {prepared.classes:,} classes", box=SIMPLE)
    for name in ("l2", "accuracy", "log loss", "f", "proved gap", "iterations", "time", "status"):
        table.add_column(name, justify="left" if name == "status" else "right")
    chosen = {l2: saved.rows[l2] for l2 in l2s}
    for l2, row in chosen.items():
        held_out = (f"{row['accuracy']:.4f}", f"{row['loss']:.5f}") if tested else ("-", "-")
        numbers = (f"{row['value']:.6g}", f"{row['gap']:.1e}", str(row["iterations"]), exact(row["seconds"]))
        table.add_row(f"{l2:.3g}", *held_out, *numbers, str(row["status"]))
    Console(width=max(WIDTH, Console().width)).print(table)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    where = f" over {processes} processes" if processes > 1 else ""
    memory = f"at most {peak:.2g} GiB of memory" + " in the first" * (processes > 1)
    typer.echo(f"accuracy and log loss are of the held-out rows; {exact(seconds)}{where}, {memory}")
    for line in advice(chosen, tested, gap):
        typer.echo(line)
    if saved.path is not None:
        typer.echo(f"The weights are in {saved.path}: numpy.load reads them.")


def advice(chosen: dict[float, dict[str, Any]], tested: int, gap: float) -> list[str]:
    """The best penalty, and the next step."""
    failed = [l2 for l2, row in chosen.items() if row["status"] != Status.CONVERGED]
    lines = [
        f"not converged at l2 {l2:.3g}: {chosen[l2]['message']}; take --dtype float64, or a larger --gap"
        for l2 in failed
    ]
    fitted = [l2 for l2 in chosen if l2 not in failed]
    if not tested or not fitted:
        return [*lines, f"{len(fitted)} of {len(chosen)} fits are within {gap:g} of their minimum, proved."]
    best = min(fitted, key=lambda l2: chosen[l2]["loss"])
    row = chosen[best]
    lines.append(f"Best by log loss: l2 {best:.3g}, accuracy {row['accuracy']:.4f}, log loss {row['loss']:.5f}.")
    if len(fitted) > 1 and best in (max(chosen), min(chosen)):
        end, further = ("largest", 10 * best) if best == max(chosen) else ("smallest", best / 10)
        lines.append(f"It is the {end} of them: try --l2 {further:.3g} too.")
    return lines
