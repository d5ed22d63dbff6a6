"""The options of own data: a file becomes a problem of the verb, and its certificate is printed first."""

from __future__ import annotations

from typing import Any

import typer

from benchmarks.command.terminal.errors import fail
from datasets import DataError, certificate
from datasets.__main__ import print_certificates
from datasets.own.options import remembered


def with_own_data(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments without these options, and with the problem that they make."""
    given, own = arguments["problem"], arguments.pop("own")
    try:
        if own["data"] is not None and arguments.get("suite"):
            raise ValueError("--suite has problems of its own: leave it out, and choose with --solver and --peer")
        if own["data"] is not None and isinstance(given, str):
            raise ValueError("--problem and --data both name a problem: choose one")
        name = remembered(own)
        if name is None:
            return arguments
        print_certificates([name])
        known = certificate(name)
    except (ValueError, DataError) as error:
        fail(str(error))
    except MemoryError as error:
        fail(f"the data do not fit into memory ({error}): take fewer rows")
    if known.minimiser is False:
        typer.echo(
            "note: no minimiser exists, so there is no gap to measure: a penalty, as --l2 1e-3, gives one", err=True
        )
    return arguments | {"problem": name if given is None else [*given, name]}
