"""The comment on a pull request, in Markdown: what the newest commit made worse or better, and by what rule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate, takewhile

import pandas as pd

from ..text import percent, plural, seconds, show_ratio
from .regressions import BETTER, SAME, THRESHOLD, UNDECIDED, WORSE

ROWS = 10  # above the fold
LIMIT = 65_536  # GitHub takes no longer comment
WIDTH = 200  # characters of a cell; names of benchmarks are as long as their parameters
COLUMNS = ["", "benchmark", "quantity", "against", "before", "after", "after / before", "remark"]


def comment(table: pd.DataFrame, head: str, *, threshold: float = THRESHOLD, limit: int = LIMIT) -> str:
    """What `regressions` found of the commit `head`, as Markdown of fewer than `limit` bytes.

    The sentence on top counts; at most ten changes follow, the worst first, and the others and what is undecided are
    folded away. What is the same is counted alone.
    """
    rows = table[table["commit"] == head]
    if rows.empty:
        nothing = f"Commit `{head}` has no measurement that an earlier commit has, too."
        return f"### Benchmarks: nothing to compare\n\n{nothing}\n"
    changed = ordered(rows[rows["verdict"].isin([WORSE, BETTER])])
    undecided = rows[rows["verdict"] == UNDECIDED].to_dict("records")
    top = [
        f"### Benchmarks: {headline(rows)}\n",
        *(grid(changed[:ROWS]) if changed else ()),
        f"{measured(rows, head, threshold)}\n",
    ]
    return "\n".join([*top, *folded(changed[ROWS:], undecided, limit - _size(top))])


def ordered(rows: pd.DataFrame) -> list[dict]:
    """What became worse, the largest ratio first, then what became better, the smallest first."""
    worse = rows[rows["verdict"] == WORSE].sort_values("ratio", ascending=False, kind="stable")
    better = rows[rows["verdict"] == BETTER].sort_values("ratio", kind="stable")
    return [*worse.to_dict("records"), *better.to_dict("records")]


def headline(rows: pd.DataFrame) -> str:
    """2 of 30 comparisons became worse and 1 better; 4 are undecided"""
    count = rows["verdict"].value_counts()
    worse, better, undecided = (int(count.get(verdict, 0)) for verdict in (WORSE, BETTER, UNDECIDED))
    among = f"of {plural(len(rows), 'comparison')}"
    if worse:
        found = f"{worse} {among} became worse" + (f" and {better} better" if better else "")
    else:
        found = f"{better} {among} became better, none worse" if better else f"none {among} became worse or better"
    return found + (f"; {undecided} {'is' if undecided == 1 else 'are'} undecided" if undecided else "")


def measured(rows: pd.DataFrame, head: str, threshold: float) -> str:
    """One line: the commits, the number of comparisons, and the rule."""
    before = ", ".join(f"`{name}`" for name in rows["against"].unique())
    same = int((rows["verdict"] == SAME).sum())
    return (
        f"Measured by asv: `{head}` against {before}; {plural(len(rows), 'comparison')}, {same} of them the same. "
        f"Worse and better: the interval of the ratio lies beyond 1 by more than {percent(threshold)}; all "
        "intervals hold together with 95 % confidence. Of iterations, any difference counts."
    )


def folded(changed: Sequence[dict], undecided: Sequence[dict], room: int) -> list[str]:
    """The rest of the changes, then what is undecided; as many rows as there is room for."""
    rest = [*changed, *undecided]
    if not rest:
        return []
    words = [plural(len(changed), "more change")] * bool(changed) + [f"{len(undecided)} undecided"] * bool(undecided)
    opening, closing = ["<details>", f"<summary>{' and '.join(words)}</summary>\n"], ["</details>\n"]
    heading, rule, *lines, end = grid(rest)
    room -= _size([*opening, heading, rule, end, *closing]) + 100  # bytes of the line that says how many are missing
    fitting = list(takewhile(lambda used: used < room, accumulate(_size([line]) for line in lines)))
    missing = len(lines) - len(fitting)
    cut = [f"{plural(missing, 'more row')} did not fit into a comment.\n"] if missing else []
    return [*opening, heading, rule, *lines[: len(fitting)], end, *cut, *closing]


def grid(rows: Iterable[dict]) -> list[str]:
    """A table of GitHub's Markdown, one line a row; an empty line ends it."""
    shown = [COLUMNS, ["---"] * len(COLUMNS), *(_cells(row) for row in rows)]
    return [*(f"| {' | '.join(cells)} |" for cells in shown), ""]


def _cells(row: dict) -> list[str]:
    name = f"{row['benchmark']} ({row['parameters']})".removesuffix(" ()")
    ratio = "-" if math.isinf(row["ratio"]) else show_ratio(row["ratio"], row["low"], row["high"])
    typical = "" if math.isnan(row["typical"]) else f"typical {row['typical']:.3g}"
    remark = "; ".join(filter(None, [row["remark"], typical]))
    values = (_value(row[side], row["unit"]) for side in ("before", "after"))
    words = [row["verdict"], _code(name), escape(row["quantity"]), _code(row["against"])]
    return [*words, *map(escape, values), ratio, escape(remark)]


def _value(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return "-"
    return seconds(value) if unit == "s" and value > 0 else f"{value:.4g} {unit}"


def escape(text: object) -> str:
    """As one cell of a table: no column, tag or mention of a person begins in it."""
    plain = _short(text).replace("\\", "\\\\").replace("|", "\\|").replace("`", "'")
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;")


def _code(text: object) -> str:
    """Likewise, as code; there a `|` alone needs an escape."""
    return f"`{_short(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _short(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..."


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)
