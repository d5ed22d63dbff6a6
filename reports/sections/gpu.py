"""The section of the report on a GPU: what `python -m benchmarks gpu` left in the folder of the runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.gpu.kernels import ENVIRONMENT, KERNELS
from benchmarks.gpu.kit import OUTCOMES
from benchmarks.gpu.sizes import FILE as SIZES
from benchmarks.gpu.variants import FILE as VARIANTS

from ..figures.device_map import device_maps
from ..page.section import Section, SectionWriter
from ..tables import gpu as tables

NAME, TITLE = "gpu", "The CPU beside a GPU"
FILES = (ENVIRONMENT, SIZES, KERNELS, VARIANTS, OUTCOMES)
MAKE = (
    "No GPU has been measured here. On a machine that has one, `python3 -m benchmarks gpu --out results` takes eight "
    "minutes; `python -m reports build --store results` then fills this section."
)
MAP = (
    "How many times as fast an iteration is on the device as on the CPU of the same machine, by size. Squares: the "
    "device is faster; circles: the CPU is. On the line both are equally fast."
)


def gpu_section(folder: Path, out: Path) -> Section:
    """Tables and maps; without results, the command that makes some."""
    writer = SectionWriter(NAME, TITLE, out)
    try:
        about = _machine(folder)
        sizes = pd.read_csv(folder / SIZES)
        missing = {"device", "warm", "threads", *tables.TIMES} - set(sizes)
    except FileNotFoundError:
        return writer.section(MAKE)
    except (OSError, ValueError) as error:
        return writer.section(f"The results of the GPU cannot be read ({str(error).splitlines()[0]}).")
    if missing:
        return writer.section(f"{SIZES} has no column {min(missing)!r}: measure again.")
    found = tables.pairs(sizes)
    if found.empty:
        return writer.section(f"No size was timed on both the CPU and a device on {about}. {MAKE}")
    writer.table(tables.BREAK_EVEN, tables.BREAK_EVEN.make(sizes), after=f"On {about}.")
    writer.table(tables.SPEEDUPS, tables.SPEEDUPS.make(sizes))
    if (folder / KERNELS).exists() and len(kernels := pd.read_csv(folder / KERNELS)):
        writer.table(tables.KERNELS, tables.KERNELS.make(kernels))
    if (folder / VARIANTS).exists() and len(table := tables.VARIANTS.make(pd.read_csv(folder / VARIANTS))):
        writer.table(tables.VARIANTS, table)
    if len(table := tables.FAILURES.make(sizes)):
        writer.table(tables.FAILURES, table)
    found = found.assign(label=found["solver"], **{"CPU threads": found["threads cpu"]})
    keys = ["device", "dtype", "CPU threads"]
    single = [name for name in keys if found[name].nunique() == 1 and name != "dtype"]
    for place, cell in found.groupby(keys, sort=True):
        setup = dict(zip(keys, place, strict=True))
        which = [str(setup[name]) for name in keys if name not in single]
        writer.figure(
            f"{NAME}--{'-'.join(which).replace(':', '')}",
            f"{TITLE}, {', '.join(which)}",
            device_maps(cell, setup),
            f"{MAP} {about}.",
            source=about,
        )
    return writer.section()


def _machine(folder: Path) -> str:
    """The machine, the build and the day, in words."""
    about: dict[str, Any] = json.loads((folder / ENVIRONMENT).read_text())
    return f"{about['machine']}, torch {about['packages']['torch']}, CUDA {about['cuda']}; {about['date'][:10]}"


def keep(folder: Path, target: Path) -> bool:
    """Copy the results of a GPU to the committed reference; False where there are none, or none of a GPU."""
    if not (folder / SIZES).exists() or set(pd.read_csv(folder / SIZES)["device"]) <= {"cpu"}:
        return False
    target.mkdir()
    for name in FILES:
        if (folder / name).exists():
            shutil.copy(folder / name, target)
    return True
