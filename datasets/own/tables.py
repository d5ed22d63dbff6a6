"""A user's table, whatever it was read from; and the words that messages about it share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

FEW = 3  # names that a sentence lists


@dataclass(frozen=True)
class Table:
    """Features and the target, before anything is changed.

    features: a pandas DataFrame (n, d), or a SciPy CSR matrix or a float64 array (n, d) with `names`.
    target: (n,), numbers or text. label: the name of the target.
    """

    features: Any
    target: Any
    label: str
    names: tuple[str, ...] = ()


def pandas() -> ModuleType:
    """The library, or a ValueError with the command that installs it."""
    try:
        import pandas
    except ModuleNotFoundError:
        remedy = "python -m pip install -c constraints.txt -e '.[benchmarks]'"
        raise ValueError(f"reading own data needs pandas and pyarrow: {remedy}") from None
    return pandas


def listed(names: Sequence[object], most: int = FEW) -> str:
    """The names in quotes: the first few, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(repr(str(name)) for name in names[:most]) + more


def columns(names: Sequence[object]) -> str:
    """As the subject of a sentence: the column 'a', or the columns 'a', 'b' and 4 more."""
    return f"the column{'s' * (len(names) > 1)} {listed(names)}"
