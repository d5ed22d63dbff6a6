"""The data folder: files are checked by their SHA-256, and absent ones are downloaded."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VARIABLE = "HESSBENCH_DATA"
CACHE = "XDG_CACHE_HOME"
PACKED: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open}  # how files that end so are opened
GZIP = b"\x1f\x8b"  # how its files begin; some servers unpack them


class DataError(RuntimeError):
    """One sentence: which file, what was expected, and the command that downloads it."""


@dataclass(frozen=True)
class DataFile:
    """A public file: its place in the data folder, the SHA-256 of its bytes there, and where it comes from.

    url: https, or None where no public address has these bytes; gzip is undone unless `path` ends in .gz.
    source: its name for `python -m datasets fetch`.
    """

    path: str
    sha256: str
    url: str | None
    source: str

    @property
    def remedy(self) -> str:
        if self.url is None:
            return f"no public address has it in this form: copy it there, or set {VARIABLE} to a folder with it"
        command = f"python -m datasets fetch {self.source}"
        return f"run `{command}` where there is a network, or set {VARIABLE} to a folder with it"


def cache_folder() -> Path:
    """`hessbench` under the user's cache folder (~/.cache). Raises DataError where the user has no home folder."""
    return _expanded(os.environ.get(CACHE) or "~/.cache") / "hessbench"


def data_folder(folder: Path | str | None = None) -> Path:
    """The folder given, else HESSBENCH_DATA, else the cache folder. Raises DataError where a home folder is needed and
    there is none."""
    chosen = folder or os.environ.get(VARIABLE)
    return _expanded(chosen) if chosen else cache_folder()


def _expanded(folder: Path | str) -> Path:
    try:
        return Path(folder).expanduser()
    except RuntimeError:  # a user without an entry in the password database, as in a container
        raise DataError(
            f"the home folder in {str(folder)!r} is not known (HOME is not set): "
            f"set {VARIABLE} to a folder for data and {CACHE} to one for caches"
        ) from None


def locate(file: DataFile, folder: Path | str | None = None, *, download: bool = True, replace: bool = False) -> Path:
    """The path of the file, checked; downloaded first if it is absent and `download` is set.

    replace: download it also if its checksum is wrong; loaders never do. Raises DataError.
    """
    path = data_folder(folder) / file.path
    try:
        found = sha256(path) if path.exists() else None
    except OSError as error:
        raise _error(file, f"{path} cannot be read ({_reason(error)})") from None
    if found == file.sha256:
        return path
    if found is not None and not replace:
        raise _error(file, f"{path} is not the published file (its SHA-256 is {found[:16]}...)")
    if file.url is None or not download:
        raise _error(file, f"{path} is not there")
    fetch(file, path)
    return path


def fetch(file: DataFile, path: Path) -> None:
    """Download to a temporary name beside `path`, unpack, check, rename. Raises DataError; leaves nothing half-done."""
    try:
        import pooch
    except ModuleNotFoundError:
        remedy = "python -m pip install -c constraints.txt -e '.[datasets]'"
        raise DataError(f"{path} is not there, and fetching it needs pooch: {remedy}") from None

    def download(url: str, output: str, _: object) -> None:
        packed = io.BytesIO()
        pooch.HTTPDownloader()(url, packed, None)
        content = packed.getvalue()
        if content.startswith(GZIP) and not file.path.endswith(".gz"):
            content = gzip.decompress(content)
        Path(output).write_bytes(content)

    try:
        pooch.retrieve(file.url, f"sha256:{file.sha256}", path.name, path.parent, downloader=download)
    except (OSError, EOFError, ValueError, zlib.error) as error:  # a failed request is an OSError
        raise _error(file, f"{path} could not be fetched from {file.url} ({_reason(error)})") from None


def sha256(path: Path) -> str:
    """The digest of a file's bytes, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _error(file: DataFile, what: str) -> DataError:
    return DataError(f"{what}: expected the file of SHA-256 {file.sha256[:16]}...; {file.remedy}")


def _reason(error: Exception) -> str:
    """The cause of a failed download, in a few words."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "HTTPError" in kinds and getattr(error, "response", None) is not None:
        return f"the server answered {error.response.status_code}"
    for kind, words in (
        ("SSLError", "its certificate was not accepted"),
        ("Timeout", "no answer in time"),
        ("RequestException", "no connection"),
        ("OSError", getattr(error, "strerror", None) or "the answer was damaged"),
        ("ValueError", "what arrived has another checksum"),
    ):
        if kind in kinds:
            return words
    return "the answer was damaged"


# --- messages about absent data

MOST_NAMES = 4  # that are listed one by one


def sentences(reasons: Mapping[str, str]) -> list[str]:
    """`name: reason` for each name; names with the same reason are listed together, many of them as first ... last."""
    named: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        named.setdefault(reason, []).append(name)
    return [f"{_together(names)}: {reason}" for reason, names in named.items()]


def _together(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= MOST_NAMES else f"{names[0]} ... {names[-1]} ({len(names)} of them)"
