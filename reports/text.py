"""Numbers and lists in words, the same everywhere in a report."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


def seconds(value: float) -> str:
    """A time with three digits and the unit that suits it."""
    if not math.isfinite(value):
        return "never"
    unit = next((unit for unit, size in UNITS.items() if value >= 0.9995 * size), "")
    return f"{value / UNITS[unit]:#.3g}".rstrip(".") + f" {unit}" if unit else f"{value / 1e-6:.3g} us"


def rounded_down(value: float) -> float:
    """To three digits, as `seconds` shows them: a lower bound must not be rounded up."""
    if not 0 < value < math.inf:
        return value
    digit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.floor(value / digit * (1 + 1e-12)) * digit


def show_ratio(found: float, low: float, high: float, digits: int = 3) -> str:
    """2.10 [1.95, 2.30]; without an interval where there are too few repeats."""
    return f"{found:.{digits}g}" + ("" if math.isnan(low) else f" [{low:.{digits}g}, {high:.{digits}g}]")


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def plural(count: int, noun: str) -> str:
    """1 run, 2 runs"""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def distinct(values: Iterable[Any]) -> str:
    """The different values, sorted, as a list in words."""
    return ", ".join(str(value) for value in sorted(set(values), key=str))


def setup(dtype: str, device: str, threads: int) -> str:
    """float64, cpu, 1 thread"""
    return f"{dtype}, {device}, {plural(threads, 'thread')}"


def listed(names: Sequence[str], most: int) -> str:
    """a, b and c; where there are more than so many: a, b and 7 more."""
    names = list(names) if len(names) <= most else [*names[:most], f"{len(names) - most} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return f"{text[0].upper()}{text[1:]}."


def left_out(skipped: dict[str, str]) -> str:
    """Left out: a.json (not JSON); b.json (of another version). Empty where nothing was."""
    return f"Left out: {'; '.join(f'{name} ({reason})' for name, reason in skipped.items())}." if skipped else ""


def caption(function: Any) -> str:
    """A docstring as one line."""
    return re.sub(r"\s+", " ", function.__doc__ or "").strip()


def records(table: pd.DataFrame) -> list[dict]:
    """The rows for JSON: column names with underscores."""
    return table.rename(columns=lambda name: name.replace(" ", "_")).to_dict("records")
