"""Profiles on disk: one record per case and machine, which the next profile of the same replaces."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from datasets.folders import RESULTS

from ..runner.environment import provenance
from ..store.records import read_record, read_records, without_nan, write_record
from .profile import Profile

PROFILES = RESULTS / "profiles"
SCHEMA = 1


@dataclass(frozen=True)
class Saved:
    """A profile with where and when it was taken."""

    profile: Profile
    machine: str
    date: str
    commit: str
    code_version: str


def save(profile: Profile, folder: Path) -> Path:
    """Write a profile in place of an earlier one of the same case on the same machine."""
    origin = provenance(profile.case.device)
    identity = json.dumps({"case": profile.case.describe(), "machine": origin["machine"]}, sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
    solver = re.sub(r"[^\w.:=-]+", "-", profile.case.solver)
    path = folder / f"{profile.case.problem}--{solver}--{digest}.json"
    write_record(path, {"schema": SCHEMA, **origin, "profile": without_nan(profile.as_dict())})
    return path


def load(folder: Path) -> tuple[list[Saved], dict[str, str]]:
    """All profiles of a folder, which need not exist, and the files that are none, with the reason."""
    return read_records(folder, read, "profile --save")


def read(path: Path) -> Saved:
    stored = read_record(path, SCHEMA)
    about = {name: str(stored[name]) for name in ("machine", "date", "commit", "code_version")}
    return Saved(Profile.from_dict(stored["profile"]), **about)
