"""The verb `publish`: the reference that is committed, and what the README quotes from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.audit.verdicts import DEFAULT as VERDICTS
from benchmarks.command.failure import fail
from benchmarks.runner.environment import ROOT
from benchmarks.scoreboard.scores import DEFAULT as PEERS
from benchmarks.store.runs import DEFAULT
from datasets import DataError

from ..data.runs import load
from ..publish import publish as publish_reference

PUBLISHED = ROOT / "reports" / "published"
README = ROOT / "README.md"


def publish(
    store: Annotated[Path, typer.Option(help="Folder that holds the runs.", show_default="reports/runs")] = DEFAULT,
    verdicts: Annotated[
        Path, typer.Option(help="What `honesty` found.", show_default="reports/honesty/verdicts.parquet")
    ] = VERDICTS,
    peers: Annotated[Path, typer.Option(help="The scoreboard's folder.", show_default="reports/peers")] = PEERS,
) -> None:
    """Rebuild reports/published/ from the suites that `make report` measures, and what the README quotes from it.

    Hard cases and the scoreboard are what `honesty` and `peers` stored; where that is nothing, the published ones stay.
    Needs MNIST, for one figure. What fails leaves the old reference as it was. Example: python -m reports publish
    """
    try:
        publish_reference(load(store), PUBLISHED, README, verdicts=verdicts, peers=peers)
    except (DataError, ImportError, ValueError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{str(error.filename or PUBLISHED)!r} cannot be written ({error.strerror})")
    typer.echo(f"published to {PUBLISHED}; the README quotes it")
