"""Profiles on disk: one JSON file a case and machine, which the next profile of the same replaces."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..runner.environment import ROOT, code_version, commit, machine, now
from .profile import Profile

PROFILES = ROOT / "reports" / "profiles"
SCHEMA = 1
FOREIGN = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)  # what other JSON leads to


@dataclass(frozen=True)
class Saved:
    """A profile with where and when it was taken."""

    profile: Profile
    machine: str
    date: str
    commit: str
    code_version: str


def save(profile: Profile, folder: Path) -> Path:
    """Write a profile, whole or not at all, in place of an earlier one of the same case on the same machine."""
    where = machine(profile.case.device)
    identity = json.dumps({"case": profile.case.describe(), "machine": where}, sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
    described = {"schema": SCHEMA, "machine": where, "date": now(), "commit": commit(), "code_version": code_version()}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{profile.case.problem}--{profile.case.solver}--{digest}.json"
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(json.dumps(described | {"profile": plain(profile.as_dict())}, indent=1) + "\n")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def plain(value: Any) -> Any:
    """JSON has no NaN: null."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load(folder: Path) -> tuple[list[Saved], dict[str, str]]:
    """All profiles in a folder, which need not be there, and the files that are none, with the reason."""
    found, skipped = [], {}
    for path in sorted(folder.glob("*.json")):
        if path.name.startswith("."):
            continue
        try:
            found.append(read(path))
        except FOREIGN as error:
            skipped[path.name] = str(error) if isinstance(error, NewerError) else "not a profile of this suite"
    return found, skipped


class NewerError(ValueError):
    """A file of another version of this format."""


def read(path: Path) -> Saved:
    stored = json.loads(path.read_text())
    if stored["schema"] != SCHEMA:
        raise NewerError(f"schema {stored['schema']}, and this code reads {SCHEMA}: take the profile again")
    about = {name: str(stored[name]) for name in ("machine", "date", "commit", "code_version")}
    return Saved(Profile.from_dict(stored["profile"]), **about)
