"""The sections of the report that look at all runs together, and at profiled ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..data.provenance import Sources
from ..data.runs import Runs
from ..page.page import Section
from .collection import collection_section
from .device_map import device_map_section
from .performance import performance_section
from .phases import phases_section
from .scaling import scaling_section


def overall_sections(
    runs: Runs,
    out: Path,
    progress: Callable[[str], None] = lambda name: None,
    *,
    behind: Sources | None = None,
    profiles: Path | None = None,
) -> list[Section]:
    """Who is how often how fast, cost against size, where a device pays; profiles: and the phases in that folder.

    Writes tables and figures below `out`. A section without enough runs names the command that makes more.
    """
    sections = []
    for name, make in (
        ("performance profiles", performance_section),
        ("cost against size", scaling_section),
        ("devices", device_map_section),
    ):
        progress(name)
        sections.append(make(runs.frame, out, behind))
    if collected := collection_section(runs.frame, out, behind):
        sections.append(collected)
    if profiles is not None:
        progress("phases")
        sections.append(phases_section(profiles, out))
    return sections
