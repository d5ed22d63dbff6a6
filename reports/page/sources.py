"""Where the numbers of a page come from: the runs of a table or a figure, in words, as a link, and as a list."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from benchmarks.store.runs import SUFFIX

from ..data.provenance import when, where
from ..data.repeats import CASE_COLUMNS
from ..data.runs import Runs
from ..text import distinct, plural

APPENDIX = "runs"  # the id of the section that lists all runs


@dataclass(frozen=True)
class Entry:
    """A case in the list of runs: its anchor on the page, its columns in words, and its runs with their files."""

    anchor: str
    columns: dict[str, str]
    files: list[tuple[str, str]]  # run key, path of its file relative to the page ("": not known)


@dataclass(frozen=True)
class Sources:
    """What is known of each run. folder: of their files, relative to the page; empty if not known."""

    runs: pd.DataFrame  # one row per run, indexed by its key
    folder: str = ""
    files: dict[str, str] = field(default_factory=dict)  # of runs that are not in one of their own name

    @cached_property
    def _places(self) -> dict[str, tuple[int, int]]:
        """The case and the group of each run."""
        return dict(zip(self.runs.index, zip(self.runs["entry"], self.runs["group"], strict=True), strict=True))

    def words(self, keys: Iterable[str]) -> str:
        """160 runs on AMD EPYC, 2 cores; 2026-11-23 to 2026-11-24; commit 4a5ad3b32c18"""
        chosen = self.runs.loc[sorted(set(keys))]
        return f"{plural(len(chosen), 'run')} {where(chosen)}"

    def about(self, keys: Iterable[str]) -> dict[str, list[str]]:
        """The problems, precisions, devices and numbers of threads of these runs."""
        chosen = self.runs.loc[sorted(set(keys))]
        return {name: sorted(set(map(str, chosen[name]))) for name in ("problem", "dtype", "device", "threads")}

    def anchor(self, keys: Iterable[str]) -> str:
        """The narrowest part of the list that holds these runs: a case, the cases of a problem, or all."""
        places = {self._places[key] for key in keys}
        if len(places) == 1:
            return f"case-{places.pop()[0]}"
        groups = {group for _, group in places}
        return f"cases-{groups.pop()}" if len(groups) == 1 else APPENDIX

    def line(self, keys: Iterable[str]) -> str:
        """The words as HTML, with a link into the list; empty where no run took part."""
        chosen = self.runs.loc[sorted(set(keys))]
        if chosen.empty:
            return ""
        link = f'<a href="#{self.anchor(chosen.index)}">{plural(len(chosen), "run")}</a>'
        return f'<p class="source">From {link} {html.escape(where(chosen))}.</p>'

    def entries(self) -> dict[str, tuple[str, list[Entry]]]:
        """The list of runs: anchor of a group -> its title and its cases."""
        found = {}
        for group, cases in self.runs.groupby("group", sort=True):
            title = f"{cases['problem'].iloc[0]} on {cases['machine'].iloc[0]}: {plural(len(cases), 'run')}"
            found[f"cases-{group}"] = title, [self._entry(case) for _, case in cases.groupby("entry", sort=True)]
        return found

    def _entry(self, case: pd.DataFrame) -> Entry:
        first = case.iloc[0]
        return Entry(
            f"case-{first['entry']}",
            {
                "solver": str(first["label"]),
                "dtype": str(first["dtype"]),
                "device": str(first["device"]),
                "threads": str(first["threads"]),
                "rules": str(first["rules"]),
                "measured": when(case),
                "code": distinct(case["code_version"].str[:12]),
            },
            [(str(key), self.file(key)) for key in case.sort_values("repeat").index],
        )

    def file(self, key: str) -> str:
        return f"{self.folder}/{quote(self.files.get(key, key + SUFFIX))}" if self.folder else ""


def sources(runs: Runs, out: Path | None = None) -> Sources:
    """The sources of loaded runs; out: the folder of the page that will link to their files."""
    known = runs.frame.drop_duplicates("run").set_index("run")
    known = known.assign(
        entry=known.groupby(CASE_COLUMNS, sort=False).ngroup() + 1,
        group=known.groupby(["machine", "problem"], sort=False).ngroup() + 1,
    )
    if runs.folder is None or out is None:
        return Sources(known)
    return Sources(known, quote(Path(os.path.relpath(runs.folder, out)).as_posix()), runs.files)
