"""The verb `check`: what every solver promises, for one of a user's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.audit.conformance import Finding, check, passed
from benchmarks.command.cases import load_plugins
from benchmarks.command.terminal.errors import fail
from datasets import plugins
from solvers.named import canonical, label, solver_named

WIDTH = 140


def check_solvers(files: Sequence[Path], solvers: Sequence[str]) -> None:
    """A table for each solver of the files and each that is named; exit 1 if one fails a check."""
    load_plugins(files)
    try:
        names = [*plugins.names_in(files, "solver"), *map(canonical, solvers)]
        if not names:
            fail("no solver is named: give a file with SOLVERS, or --solver NAME")
        made = {name: solver_named(name) for name in dict.fromkeys(names)}
    except ValueError as error:
        fail(str(error))
    console, failed = Console(width=max(WIDTH, Console().width)), []
    for name, solver in made.items():
        findings = check(solver)
        show(label(name), findings, console)
        if not passed(findings):
            failed.append(label(name))
    if failed:
        typer.echo(f"not every check is passed by {', '.join(failed)}", err=True)
        raise typer.Exit(1)


def show(name: str, findings: Sequence[Finding], console: Console) -> None:
    count = sum(finding.passed for finding in findings)
    title = f"{name}: {count} of {len(findings)} checks passed"
    table = Table("check", "passed", "number", "what was found", title=title, title_justify="left", box=SIMPLE)
    for each in findings:
        number = "-" if math.isnan(each.number) else f"{each.number:g}"
        table.add_row(each.name, "yes" if each.passed else "[bold]no[/]", number, each.sentence)
    console.print(table)
