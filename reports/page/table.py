"""A table on the page: its best rows, the times of a column in one unit, and what all rows share in a line above."""

from __future__ import annotations

import html
import json
import math
import re
from functools import partial
from statistics import median
from typing import Any

import pandas as pd

from ..text import UNITS
from .sources import APPENDIX, Sources
from .write import RUNS, behind, readable, sort_value

DIGITS = 4  # of a number; the CSV has all
FIRST = 10  # rows at first; a button, which page.js makes, shows all
FACETS = ("problem", "solver", "dtype", "device", "threads")  # what page.js filters rows by
LONG = 24  # characters: from there on a cell may break into lines
TIME = re.compile(
    r"^((?:[<>]|above|below)?\s*)(\d[\d,.]*(?:e[+-]?\d+)?) (us|ms|s)(?: \[([^,\]]+), ([^\]]+)\])?(?=$|[ ,;])"
)
FEW = re.compile(r" \(no interval, n = (\d+)\)")
INTERVAL = re.compile(r"(?<=\S) (\[[^\[\]]+\])")


def ranked(table: pd.DataFrame, best: str) -> pd.DataFrame:
    """The rows in the order of the column `best`, on each machine and problem by itself: runs that converged before
    others, the least value first or, with a minus before the name, the largest."""
    name = best.removeprefix("-")
    if name not in table or len(table) < 2:
        return table
    numbers = table[name].map(sort_value)
    keys = pd.DataFrame({"number": -numbers if best.startswith("-") else numbers}, index=table.index)
    if "status" in table:
        keys.insert(0, "other", ~table["status"].str.startswith("converged"))
    for same in [column for column in ("problem", "machine") if column in table]:
        keys.insert(0, same, pd.factorize(table[same])[0])
    order = keys.sort_values(list(keys), kind="stable", na_position="last").index
    return table.loc[order].reset_index(drop=True)


def html_table(table: pd.DataFrame, sources: Sources | None = None, label: str = "") -> str:
    """An HTML table whose cells are escaped, and below it the runs behind it.

    Cells of a column with numbers carry in `data-sort` what page.js sorts by; a cell of `runs` links to these runs.
    Rows that the page folds away at first have the class `more`. label: for a screen reader.
    """
    every = readable(table, DIGITS)
    shown, shared = split(every)
    few = without_interval(shown)
    shown, heads = one_unit(shown.map(lambda text: FEW.sub("", text)) if few else shown)
    numbers = {name: any(not math.isnan(sort_value(value)) for value in table[name]) for name in shown}
    head = "".join(f'<th scope="col"{" data-numbers" * numbers[name]}>{_head(heads[name])}</th>' for name in shown)
    first = first_rows(table)
    heads_of_rows = {next(iter(shown), ""), *({"solver"} & set(shown))}  # what a row is called
    rows = []
    for row, words in enumerate(shown.itertuples(index=False, name=None)):
        cells = (
            _cell(table[name].iloc[row], text, numbers[name], sources, "th" if name in heads_of_rows else "td")
            for name, text in zip(shown, words, strict=True)
        )
        rows.append(f"<tr{'' if row in first else ' class=more'}>{''.join(cells)}</tr>")
    said = [f"In all rows: {'; '.join(shared)}."] * bool(shared) + [
        f"A time without an interval: n = {n}." for n in few
    ]
    above = f'<p class="same">{html.escape(" ".join(said))}</p>\n' if said else ""
    scroll = f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(label or "Table")}">'
    body = "\n".join(rows)
    known = {name: texts.iloc[0] for name, texts in every.items() if name in FACETS and name not in shown}
    same = f' data-shared="{html.escape(json.dumps(known))}"' if known and len(every) else ""
    below = sources.line(behind(table)) if sources else ""
    head = f"<thead><tr>{head}</tr></thead>"
    named = f"<caption>{html.escape(label)}</caption>" if label else ""
    return f"{above}{scroll}<table{same}>{named}\n{head}\n<tbody>\n{body}\n</tbody>\n</table></div>\n{below}"


def split(shown: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Without the columns that say the same in all rows, and what these say; a column of the runs stays."""
    if len(shown) < 2:
        return shown, []
    same = [name for name in shown if name != RUNS and shown[name].nunique() == 1]
    same = same[:-1] if len(same) == len(shown.columns) else same
    said = {name: shown[name].iloc[0] for name in same}
    return shown.drop(columns=same), [f"{name} {value}" for name, value in said.items() if value != "-"]


def without_interval(shown: pd.DataFrame) -> list[str]:
    """The number of repeats that has no interval, where all such cells have the same; else none."""
    found = {n for name in shown for text in shown[name] for n in FEW.findall(text)}
    return list(found) if len(found) == 1 and len(shown) > 1 else []


def one_unit(shown: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """The same with the times of each column in one unit, and the headings, which name it."""
    columns, heads = {}, {}
    for name in shown:
        times = [sort_value(f"{found[2]} {found[3]}") for text in shown[name] if (found := TIME.match(text))]
        unit = next((unit for unit, size in UNITS.items() if median(times) >= size), "us") if times else ""
        change = partial(TIME.sub, partial(_in, unit)) if unit else str
        columns[name] = [change(text) for text in shown[name]]
        heads[name] = f"{name} ({unit})" if unit else name
    return pd.DataFrame(columns), heads


def _in(unit: str, found: re.Match[str]) -> str:
    relation, number, own, *interval = found.groups()
    ratio = UNITS[own] / UNITS[unit]
    median_, *ends = (digits(float(part.replace(",", "")) * ratio) for part in (number, *interval) if part)
    return f"{relation}{median_}" + (f" [{', '.join(ends)}]" if ends else "")


def digits(value: float) -> str:
    """Three digits without an exponent: 0.0123, 1.20, 12,300."""
    rounded, exponent = f"{value:.2e}", int(f"{value:.2e}".partition("e")[2])
    return f"{float(rounded):,.{max(0, 2 - exponent)}f}" if value else "0"


def first_rows(table: pd.DataFrame) -> set[int]:
    """The positions of the rows that show at first: the best ten; of several problems the best of each."""
    if len(table) <= FIRST + 2:  # a button for two rows is longer than they are
        return set(range(len(table)))
    if "problem" not in table or table["problem"].nunique() in (1, len(table)):
        return set(range(FIRST))
    each = max(1, FIRST // table["problem"].nunique())
    best = [row for row, place in enumerate(table.groupby("problem", sort=False).cumcount()) if place < each]
    return set(best[:FIRST])


def _head(words: str) -> str:
    return re.sub(r"(?<=\de)-(?=\d)", "&#8209;", html.escape(str(words)))  # 1e-6 is not broken


def _cell(value: Any, words: str, numbers: bool, sources: Sources | None, tag: str = "td") -> str:
    shown = INTERVAL.sub(r' <span class="interval">\1</span>', html.escape(words))
    shown = re.sub("^(&[gl]t;) ", r"\1&nbsp;", shown)
    if isinstance(value, tuple) and value:
        shown = f'<a href="#{sources.anchor(value) if sources else APPENDIX}">{shown}</a>'
    size = sort_value(value) if numbers else math.nan
    order = "" if math.isnan(size) else f' data-sort="{size:.6g}"'
    kind = "words" if len(words) > LONG else "n" if numbers and not order else ""
    scope = ' scope="row"' if tag == "th" else ""
    return f"<{tag}{scope}{order}{f' class={kind}' if kind else ''}>{shown}</{tag}>"
