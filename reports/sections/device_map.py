"""Speed-up of another device over the CPU, by size."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from datasets.registry import SIZED

from ..figures.device_map import device_maps
from ..page.section import Section, SectionWriter
from ..page.sources import Sources
from ..tables.costs import NO_PAIRS, pairs

NAME, TITLE = "break-even-map", "Speed-up by size"
SETUP = ["host", "kind", "device", "dtype", "CPU threads"]  # one figure each, with one map per solver
WORDS = (
    "How many times as fast an iteration is on the device as on the CPU of the same host, for each size. Squares: the "
    "device is faster; circles: the CPU is. On the line both are equally fast."
)


def device_map_section(frame: pd.DataFrame, out: Path, sources: Sources | None = None) -> Section:
    """A figure for each device, dtype and number of CPU threads; without pairs, the command that measures some."""
    writer = SectionWriter(NAME, TITLE, out, sources)
    found = pd.DataFrame(pairs(frame) if len(frame) else [])
    found = found[[bool(SIZED.fullmatch(problem)) for problem in found["problem"]]] if len(found) else found
    if found.empty:
        return writer.section(NO_PAIRS)
    found = found.assign(kind=found["problem"].str.rsplit("-", n=1).str[0])
    setups = found.groupby(SETUP, sort=True)
    for number, (key, cell) in enumerate(setups, 1):
        setup = dict(zip(SETUP, key, strict=True))
        stem = NAME + (f"--{number}" if setups.ngroups > 1 else "")
        runs = sorted({run for runs in cell["runs"] for run in runs})
        words = f"{WORDS} {setup['host']}, {setup['kind']} problems."
        writer.figure(stem, f"{TITLE}: {setup['device']}", device_maps(cell, setup), words, runs)
    return writer.section()
