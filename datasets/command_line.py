"""What the command lines of all packages share: --version, and former names of options."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import typer
from typer.core import TyperCommand

from .folders import PACKAGE, ROOT


class Verb(TyperCommand):
    """A command whose options are also known by their former names, which the help does not show."""

    former: ClassVar[dict[str, str]] = {"--budget": "--time-limit", "--limit": "--timeout", "--again": "--force"}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = {option for parameter in self.params for option in parameter.opts}
        renamed = []
        for word in args:
            name, equals, value = word.partition("=")
            new = self.former.get(name, name)
            renamed.append((new if new in known else name) + equals + value)
        return super().parse_args(ctx, renamed)


def formerly(**names: str) -> type[Verb]:
    """A command with further former names, in place of the new ones: formerly(seconds="--time-limit")."""
    former = {f"--{name}": new for name, new in names.items()}
    return type("Verb", (Verb,), {"former": Verb.former | former})


def application(*, completion: bool = False) -> typer.Typer:
    """A command line without verbs. completion: with the options that install it for a shell."""
    return typer.Typer(
        no_args_is_help=True, add_completion=completion, pretty_exceptions_enable=False, rich_markup_mode=None
    )


def version() -> str:
    """Of the checkout, or of the installed package."""
    if PACKAGE:
        from importlib.metadata import version as installed_version

        return installed_version("hessbench")
    import re

    return re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hessbench {version()}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
]
