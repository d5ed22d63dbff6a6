"""The sections of the report that look at all runs together, and at profiled ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..data.runs import Runs
from ..page.section import Section
from ..page.sources import Sources
from .collection import collection_section
from .device_map import device_map_section
from .performance import performance_section
from .phases import phases_section
from .scaling import scaling_section

SECTIONS = {
    "performance profiles": performance_section,
    "cost against size": scaling_section,
    "devices": device_map_section,
    "test functions": collection_section,
}


def overall_sections(
    runs: Runs, out: Path, progress: Callable[[str], None], sources: Sources, profiles: Path | None = None
) -> list[Section]:
    """A section without enough runs names the command that makes more. profiles: a folder of profiled runs."""
    sections = []
    for name, make in SECTIONS.items():
        progress(name)
        sections.append(make(runs.frame, out, sources))
    if profiles is not None:
        progress("phases")
        sections.append(phases_section(profiles, out))
    return [section for section in sections if section is not None]
