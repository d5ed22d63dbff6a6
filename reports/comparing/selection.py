"""What two words on the command line select of the stored runs: two stores, commits, machines, devices, ..."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.store.runs import SUFFIX

from ..data.runs import Runs, load, newest_code
from ..text import distinct

STORE, COMMIT, MACHINE = "store", "commit", "machine"
COLUMNS = {
    **{COMMIT: "commit", MACHINE: "machine", "device": "device", "dtype": "dtype"},
    **{"solver": "plain_label", "threads": "threads"},
}
PREFIX = re.compile(r"[0-9a-f]{4,}")  # of a commit: shorter ones would be other words by chance
PART = 3  # letters of a machine's name, likewise


@dataclass(frozen=True)
class Sides:
    """Two selections of runs, A and B, that are of one kind."""

    kind: str
    names: tuple[str, str]
    frames: tuple[pd.DataFrame, pd.DataFrame]
    metadata: Mapping[str, Mapping[str, Any]]


def sides(store: Path, first: str, second: str, *, same: bool = False) -> Sides:
    """What the two words mean in a store, or two stores; a ValueError where they mean nothing, or several things.

    same: whether both sides must be one selection (an A/A test), or two.
    Two commits are taken as they are, each with the code measured last; all else is of the newest code alone.
    """
    runs = load(store, code="all")
    words = (first, second)
    found = [meanings(runs.frame, word) for word in words]
    kinds = [kind for kind in found[0] if kind in found[1]]
    for word, known in zip(words, found, strict=True):
        if not known:
            raise ValueError(f"nothing stored is called {word!r}: there are {there_are(runs.frame)}")
    if not kinds:
        kind, other = (" or ".join(known) for known in found)
        raise ValueError(f"{first!r} is a {kind} and {second!r} a {other}: compare two of one kind")
    if len(kinds) > 1:
        raise ValueError(f"{first!r} and {second!r} may each be a {' or a '.join(kinds)}: write {kinds[0]}={first}")
    (kind,) = kinds
    names = (found[0][kind], found[1][kind])
    if names[0] == names[1] and not same:
        remedy = f"compare halves of its repeats with --null, or name two, there are {there_are(runs.frame)}"
        raise ValueError(f"both sides are the {kind} {names[0]!r}, the same selection: {remedy}")
    if names[0] != names[1] and same:
        raise ValueError(f"--null compares a selection with itself: write {first} {first}, not {first} {second}")
    if kind == STORE:
        a, b = (load(name) for name in names)
        return Sides(kind, names, (a.frame, b.frame), a.metadata | b.metadata)
    return Sides(kind, names, _split(runs, kind, names), runs.metadata)


def _split(runs: Runs, kind: str, names: tuple[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = runs.frame if kind == COMMIT else newest_code(runs.frame)[0]
    chosen = [frame[frame[COLUMNS[kind]].astype(str) == name] for name in names]
    for name, rows in zip(names, chosen, strict=True):
        if rows.empty:
            raise ValueError(f"all runs of the {kind} {name!r} are of older code: measure them again")
    a, b = (newest_code(rows)[0] for rows in chosen) if kind == COMMIT else chosen
    return a, b


def meanings(frame: pd.DataFrame, word: str) -> dict[str, str]:
    """kind -> name for all that a word may be: what it names in full, else what it is the beginning or a part of."""
    given, _, rest = word.partition("=")
    if rest and given in (STORE, *COLUMNS):
        return {kind: name for kind, name in meanings(frame, rest).items() if kind == given} | _number(
            frame, given, rest
        )
    folder = Path(word)
    full = {STORE: word} if folder.is_dir() and any(folder.glob(f"*{SUFFIX}")) else {}
    if frame.empty:
        return full
    full |= {kind: word for kind, column in COLUMNS.items() if kind != "threads" and (frame[column] == word).any()}
    if full:
        return full
    commits = [name for name in frame["commit"].unique() if PREFIX.fullmatch(word) and name.startswith(word)]
    machines = [name for name in frame["machine"].unique() if len(word) >= PART and word.lower() in name.lower()]
    for kind, names in ((COMMIT, commits), (MACHINE, machines)):
        if len(names) > 1:
            raise ValueError(f"{word!r} may be each of {len(names)} {kind}s: name one of {'; '.join(sorted(names))}")
    return {kind: names[0] for kind, names in ((COMMIT, commits), (MACHINE, machines)) if names}


def _number(frame: pd.DataFrame, kind: str, word: str) -> dict[str, str]:
    """A number of threads is understood only as threads=2."""
    there = kind == "threads" and not frame.empty and (frame["threads"].astype(str) == word).any()
    return {kind: word} if there else {}


def there_are(frame: pd.DataFrame) -> str:
    """All that may be named, in words."""
    if frame.empty:
        return "no runs: make some with `python -m benchmarks run --suite quick --repeats 6`"
    listed = {kind: frame[column].astype(str).unique() for kind, column in COLUMNS.items()}
    listed[COMMIT] = [name for name in listed[COMMIT] if name]
    threads = [f"threads={count}" for count in listed.pop("threads")]
    named = [f"{kind}s {distinct(names)}" for kind, names in listed.items() if len(names) > 0]
    return "; ".join([*named, distinct(threads)])
