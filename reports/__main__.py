"""Command line: `python -m reports build`, `compare`, `recommend`, `regressions`, `publish`."""

from __future__ import annotations

import typer

from .command.build import build
from .command.compare import compare
from .command.publish import publish
from .command.recommend import recommend
from .command.regressions import regressions

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
for verb in (build, compare, recommend, regressions, publish):
    app.command()(verb)


@app.callback()
def main() -> None:
    """Turn stored runs into tables and figures. Example: python -m reports build"""


if __name__ == "__main__":
    app()
