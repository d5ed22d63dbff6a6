"""The identity of code: a hash of the sources that a stored result rests on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent  # of the checkout; as installed, the folder of the package
REWRITTEN = "rewritten.json"  # of a wheel: the digest of each source that setup.py rewrote -> that in the checkout


@cache
def code_hash(names: Sequence[str], *, without: Sequence[str] = (), root: Path = ROOT) -> str:
    """SHA-256 over the paths, relative to the checkout, and the digests of the sources of all that is named.

    A folder stands for every Python file below it, but for those in `without`. A name that is neither a file nor a
    folder with sources is a FileNotFoundError: a file that was moved must not leave an identity unseen. A wheel has the
    identities of the checkout that it was built from, and a file that was edited after that has its own.
    """
    table = root / REWRITTEN
    originals = json.loads(table.read_text()) if table.is_file() else {}
    digest = hashlib.sha256()
    for path in sorted({path for name in names for path in _sources(root, name)}):
        name = path.relative_to(root).as_posix()
        if not name.startswith(tuple(f"{folder}/" for folder in without)):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{name}\0{originals.get(content, content)}\n".encode())
    return digest.hexdigest()


def _sources(root: Path, name: str) -> list[Path]:
    path = root / name
    found = [path] if path.is_file() else list(path.rglob("*.py"))
    if not found:
        raise FileNotFoundError(f"no sources in {name!r}: name the file or folder that took its place")
    return found
