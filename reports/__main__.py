"""Command line: `python -m reports build`, `compare`, `recommend`, `regressions`, `publish`, `export`, `import`."""

from __future__ import annotations

from datasets.command_line import Version, application, formerly

from .command.build import build
from .command.compare import compare
from .command.export import export
from .command.importing import import_
from .command.publish import publish
from .command.recommend import recommend
from .command.regressions import regressions

app = application()
for verb in (build, compare, recommend, publish, export):
    app.command()(verb)
app.command("import")(import_)
app.command(cls=formerly(results="--asv"))(regressions)


@app.callback()
def main(version: Version = False) -> None:
    """Turn stored runs into tables and figures. Example: python -m reports build"""


if __name__ == "__main__":
    app()
