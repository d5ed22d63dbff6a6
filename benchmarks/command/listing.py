"""The verb `list`: all names that the other verbs take."""

from __future__ import annotations

import json as encoder
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.catalogue.cached import catalogue
from benchmarks.command.terminal.errors import fail


def listing(json: bool, plugin: Sequence[Path]) -> None:
    try:
        found = catalogue(plugin)
    except ValueError as error:  # PluginError, without importing it
        fail(str(error))
    if json:
        typer.echo(encoder.dumps(found, indent=1))
        return
    console, cutest = Console(), found["cutest"]
    absent = f" ({found['cutest_missing']})" if found["cutest_missing"] else ""
    for title, rows in (
        ("solvers", pairs(found["solvers"])),
        ("peers", [(each["name"], described(each), each["installed"] or "no") for each in found["peers"]]),
        ("problems", pairs(found["problems"])),
        ("test functions", pairs(found["functions"])),
        (
            f"CUTEst's unconstrained problems{absent}",
            [
                (f"{n} variables", ", ".join(each["name"] for each in cutest if each["variables"] == n))
                for n in sorted({each["variables"] for each in cutest})
            ],
        ),
        (
            "suites",
            [(each["name"], f"{each['cases']} cases. {each['summary']}", each["expected"]) for each in found["suites"]],
        ),
    ):
        table = Table("name", "what it is", title=escape(title), title_justify="left")
        if title == "peers":
            table.add_column("installed")
        if title == "suites":
            table.add_column("how long it takes")
        for row in rows:
            table.add_row(*row)
        console.print(table)


def pairs(entries: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(each["name"], described(each)) for each in entries]


def described(entry: dict[str, str]) -> str:
    """What it is, and of a plug-in where it comes from."""
    source = entry.get("plugin")
    return f"{entry['summary']} (plug-in {source})" if source else entry["summary"]
