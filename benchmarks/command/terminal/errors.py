"""How a verb ends when it cannot continue."""

from __future__ import annotations

from typing import NoReturn

import typer


def fail(sentence: str) -> NoReturn:
    """Bad input: one sentence, exit 2."""
    typer.echo(f"error: {sentence}", err=True)
    raise typer.Exit(2)
