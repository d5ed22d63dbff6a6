"""The verb `publish`: the reference that is committed, and what the README quotes from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.command.terminal.errors import fail
from datasets.folders import ROOT, shown

from .output import PEERS, RUNS, VERDICTS, writing

PUBLISHED = ROOT / "reports" / "published"
README = ROOT / "README.md"


def publish(
    store: Annotated[Path, typer.Option(help="Folder that holds the runs.", show_default=shown(RUNS))] = RUNS,
    verdicts: Annotated[Path, typer.Option(help="What `honesty` found.", show_default=shown(VERDICTS))] = VERDICTS,
    peers: Annotated[Path, typer.Option(help="The scoreboard's folder.", show_default=shown(PEERS))] = PEERS,
) -> None:
    """Rebuild reports/published/ from the suites that `make report` measures, and what the README quotes from it.

    Hard cases and the scoreboard come from what `honesty` and `peers` stored; without that the published ones stay.
    Needs MNIST, for one figure. A failure leaves the old reference as it was.

    Example: python -m reports publish
    """
    if not README.is_file():
        fail("publish rewrites a checkout of hessbench: run it in one, as `make publish`")
    from datasets import DataError

    from ..data.runs import load
    from ..publish import publish as publish_reference

    try:
        with writing(PUBLISHED, remedy=""):
            publish_reference(load(store), PUBLISHED, README, verdicts=verdicts, peers=peers)
    except (DataError, ImportError, ValueError) as error:
        fail(str(error))
    typer.echo(f"published to {PUBLISHED}; the README quotes it")
