"""The verb `gpu`: all that is measured on a machine with a GPU, in one go."""

from __future__ import annotations

import math
from pathlib import Path

import torch
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.command.terminal.errors import fail
from benchmarks.gpu.kit import STEPS, Outcome, run
from solvers.common.names import lookup

WANTED = "tests"  # the step whose failure is that of the kit


def gpu(out: Path, minutes: float, device: str, step: str, until: float) -> None:
    """Run all steps, or one of them in this process."""
    try:
        present(device)
        if not 0 < minutes < math.inf:
            raise ValueError(f"--minutes must be a positive number, found {minutes}")
    except ValueError as error:
        fail(str(error))
    if step:
        from benchmarks.gpu.steps import STEPS as STEP_FUNCTIONS

        lookup(STEP_FUNCTIONS, step, "step")
        typer.echo(STEP_FUNCTIONS[step](out, device, until))
        return
    try:
        outcomes = run(out, device, minutes, lambda line: typer.echo(line, err=True))
    except OSError as error:
        fail(f"results cannot be written to {str(out)!r} ({error.strerror}): name another folder with --out")
    show(outcomes, out)
    if any(outcome.step == WANTED and outcome.status != "done" for outcome in outcomes):
        raise typer.Exit(1)


def present(device: str) -> None:
    """ValueError, with the remedy, where a device is not there."""
    kind = device.split(":")[0]
    if kind == "cpu":
        return
    if kind != "cuda":
        raise ValueError(f"--device must be cuda, cuda:1, ... or cpu, found {device!r}")
    if not torch.cuda.is_available():
        build = f"torch {torch.__version__} is built for CUDA {torch.version.cuda}" if torch.version.cuda else (
            f"torch {torch.__version__} is built without CUDA"
        )  # fmt: skip
        raise ValueError(
            f"there is no CUDA device here ({build}): run it with the python3 of a machine with a GPU, "
            "or try it with --device cpu --minutes 2"
        )
    count, index = torch.cuda.device_count(), int(device.split(":")[1]) if ":" in device else 0
    if index >= count:
        raise ValueError(f"there is no device {device}: this machine has {count}, counted from cuda:0")


def show(outcomes: list[Outcome], out: Path) -> None:
    """How each step ended."""
    table = Table("step", "ended", "seconds", "result", title=f"Results in {out}", title_justify="left", box=SIMPLE)
    for outcome in outcomes:
        table.add_row(outcome.step, outcome.status, f"{outcome.seconds:.0f}", outcome.detail)
    Console(width=max(120, Console().width)).print(table)
    files = [path for path in out.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 2**20
    typer.echo(f"{len(files)} files, {size:.1f} MiB; {len(STEPS)} steps. Next: python -m reports build --store {out}")
