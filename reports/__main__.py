"""Command line: `python -m reports build`, `compare`, `recommend`, `regressions`, `publish`."""

from __future__ import annotations

import typer

from reports.command.build import build
from reports.command.compare import compare
from reports.command.publish import publish
from reports.command.recommend import recommend
from reports.command.regressions import regressions

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
for verb in (build, compare, recommend, regressions, publish):
    app.command()(verb)


@app.callback()
def main() -> None:
    """Turn stored runs into tables and figures. Example: python -m reports build"""


if __name__ == "__main__":
    app()
