"""What the report knows of a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from ..data.runs import Runs
from ..text import caption


def not_measured(table: pd.DataFrame) -> str:
    """Of a table with nothing to show, what measures it: the one entry of its column `measured`. Empty for others."""
    return str(table["measured"].iloc[0]) if len(table) == 1 and "measured" in table else ""


def all_runs(runs: Runs) -> tuple:
    return (runs.frame,)


@dataclass(frozen=True)
class Table:
    """name: of its files, and its anchor on the page. make: a pure function of what it shows.

    title: its heading on the page; by default its name. best: the column that ranks its rows, the least first; a minus
    before it: the largest. takes: the arguments of `make`, from the loaded runs. peers: whether it has rows of other
    libraries, which its caption then explains. published: whether reports/published/ holds it.
    """

    name: str
    make: Callable[..., pd.DataFrame]
    title: str = ""
    best: str = ""
    takes: Callable[[Runs], tuple] = all_runs
    peers: bool = False
    published: bool = False

    @property
    def heading(self) -> str:
        return self.title or self.name.replace("-", " ").capitalize()

    @property
    def caption(self) -> str:
        """The docstring of the function that makes it."""
        return caption(self.make)
