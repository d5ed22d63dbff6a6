"""The identity of code: a hash of the sources that a stored result rests on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent  # of the checkout


@cache
def code_hash(names: Sequence[str], *, without: Sequence[str] = (), root: Path = ROOT) -> str:
    """SHA-256 over the paths, relative to the checkout, and the sources of all that is named.

    A folder stands for every Python file below it, but for those in `without`. A name that is neither a file nor a
    folder with sources is a FileNotFoundError: a file that was moved must not leave an identity unseen.
    """
    digest = hashlib.sha256()
    for path in sorted({path for name in names for path in _sources(root, name)}):
        name = path.relative_to(root).as_posix()
        if not name.startswith(tuple(f"{folder}/" for folder in without)):
            digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _sources(root: Path, name: str) -> list[Path]:
    path = root / name
    found = [path] if path.is_file() else list(path.rglob("*.py"))
    if not found:
        raise FileNotFoundError(f"no sources in {name!r}: name the file or folder that took its place")
    return found
