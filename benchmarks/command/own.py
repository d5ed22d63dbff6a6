"""The options of own data: a file becomes a problem of the verb, and its certificate is printed first."""

from __future__ import annotations

from typing import Any

from benchmarks.command.errors import fail
from datasets import DataError
from datasets.__main__ import print_certificates
from datasets.own.options import remembered


def with_own_data(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments without these options, and with the problem that they make."""
    try:
        name = remembered(arguments)
        if name is None:
            return arguments
        if arguments.get("suite"):
            raise ValueError(
                "--suite has problems of its own: leave it out, and choose solvers with --solver and --peer"
            )
        given = arguments["problem"]
        if isinstance(given, str):
            raise ValueError("--problem and --data both name a problem: choose one")
        print_certificates([name])
        return arguments | {"problem": name if given is None else [*given, name]}
    except (ValueError, DataError) as error:
        fail(str(error))
    except MemoryError as error:
        fail(f"the data do not fit into memory ({error}): take fewer rows")
