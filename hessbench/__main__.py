"""Command line: `hessbench run`, `hessbench report build`, `hessbench data list`; or `python -m hessbench`."""

from __future__ import annotations

import sys

from benchmarks.command.main import app as measuring
from datasets.__main__ import app as data
from datasets.command_line import Version, application
from reports.__main__ import app as report

OURS = ("hessbench", "solvers", "datasets", "benchmarks", "reports")
REMEDY = "python -m pip install -c constraints.txt -e '.[all]'"

app = application(completion=True)
app.registered_commands += measuring.registered_commands
app.add_typer(report, name="report", help="Turn stored runs into tables and figures.")
app.add_typer(data, name="data", help="The problems, what is certified about them, and their files.")


@app.callback()
def hessbench(version: Version = False) -> None:
    """Which second-order solver, on which problem, for how long, to what accuracy?

    Example: hessbench run --suite quick --repeats 10

    Example: hessbench report build
    """


def main() -> None:
    try:
        app(prog_name="hessbench")
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in OURS:
            raise
        print(f"error: {missing} is not installed: {REMEDY}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
