"""Solvers, problems and peers of a user's own: from a file, or from an installed package with entry points.

A file holds dicts SOLVERS, PROBLEMS or PEERS, with what the registries of the same names hold. A package names single
entries: `[project.entry-points."hessbench.solvers"]  my-newton = "package.module:MY_NEWTON"`, and likewise
hessbench.problems and hessbench.peers. What is loaded is in the registries, under its own name, until the process ends.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass, replace
from importlib.abc import SourceLoader
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch

from solvers import SOLVERS
from solvers.adapters import PEERS
from solvers.core.arguments import check_solver

from .loaders.storage import DataError
from .problem import Problem
from .registry import PROBLEMS, SIZED, Builder

VARIABLE = "HESSBENCH_PLUGINS"  # files that are loaded with those of --plugin, with os.pathsep between them
PATIENCE = 60.0  # seconds that the import of a file may take
DIGITS = 16  # of a SHA-256
REGISTRIES: dict[str, tuple[str, dict[str, Any]]] = {
    "SOLVERS": ("solver", SOLVERS),
    "PROBLEMS": ("problem", PROBLEMS),
    "PEERS": ("peer", PEERS),
}
RESERVED = ("torch", "hessbench")  # what the names of other things begin with
NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")


class PluginError(ValueError):
    """One sentence: which plug-in cannot be used, and why; with its file and line, where it raised."""


class OutOfPatienceError(BaseException):
    """No subclass of Exception, so that no plug-in handles it as an error of its own."""


class File(NamedTuple):
    """A loaded file, by which another process loads the same."""

    path: str
    sha256: str


_files: dict[str, File] = {}  # by path
_origins: dict[tuple[str, str], str] = {}  # kind, name -> file and hash, or package and version
_asked: list[bool] = []  # whether the installed packages have been asked


def load(files: Iterable[Path | str] = ()) -> list[str]:
    """Load files, those that HESSBENCH_PLUGINS names, and all entry points of installed packages; each once.

    Raises PluginError for a file. An entry point that cannot be loaded is left out: the sentences returned say why.
    """
    named = [part for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    left_out = [] if _asked else [words for point in _installed() if (words := _load_entry_point(point))]
    _asked.append(True)
    for path in (*named, *files):
        _load_file(Path(path))
    return left_out


def loaded() -> list[File]:
    """The files that were loaded in this process."""
    return list(_files.values())


def load_same(files: Iterable[File]) -> None:
    """Load what another process has loaded; PluginError for a file that has changed since then."""
    for file in files:
        _load_file(Path(file.path), file.sha256)
    load()


def origin(kind: str, name: str) -> str:
    """The file of a plug-in and its hash, or its package and version; empty for what is no plug-in. kind: solver,
    problem or peer."""
    return _origins.get((kind, name), "")


def names(kind: str) -> list[str]:
    """The plug-ins of a kind."""
    return [name for known, name in _origins if known == kind]


def names_in(files: Iterable[Path | str], kind: str) -> list[str]:
    """The plug-ins of a kind in files that are loaded."""
    sources = {_source(_files[str(Path(path).resolve())]) for path in files}
    return [name for (known, name), source in _origins.items() if known == kind and source in sources]


def _source(file: File) -> str:
    return f"{Path(file.path).name} {file.sha256[:DIGITS]}"


def _load_file(path: Path, sha256: str = "") -> None:
    """Run a file as a module, and register what it holds."""
    try:
        path = path.resolve()
        source = path.read_bytes()
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links
        raise PluginError(f"plug-in {str(path)!r} cannot be read ({getattr(error, 'strerror', error)})") from None
    file = File(str(path), hashlib.sha256(source).hexdigest())
    if sha256 not in ("", file.sha256) or _files.get(file.path, file) != file:
        raise PluginError(f"plug-in {path.name} has changed since it was loaded: run the command again")
    if file.path in _files:
        return
    module = _executed(path, source)
    found = {kind: getattr(module, kind) for kind in REGISTRIES if hasattr(module, kind)}
    if not found:
        raise PluginError(f"plug-in {path.name} has none of the dicts {', '.join(REGISTRIES)}: define one")
    entries = []
    for registry, values in found.items():
        if not isinstance(values, Mapping):
            raise PluginError(f"{registry} of plug-in {path.name} must be a dict, found {type(values).__name__}")
        entries += [_checked(registry, name, value, path.name) for name, value in values.items()]
    _register(entries, _source(file))
    _files[file.path] = file


class Read(SourceLoader):
    """Python's import of a file whose bytes are those that were hashed; it leaves no compiled file beside it."""

    def __init__(self, path: Path, source: bytes) -> None:
        self.path, self.source = path, source

    def get_filename(self, fullname: str) -> str:
        return str(self.path)

    def get_data(self, path: str) -> bytes:
        return self.source


def _executed(path: Path, source: bytes) -> ModuleType:
    """The module that a file makes. It is known to `sys.modules`, where dataclasses and pickle look for it."""
    name = f"hessbench_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    loader = Read(path, source)
    module = module_from_spec(spec_from_loader(name, loader))
    sys.modules[name] = module
    try:
        with _patience(PATIENCE):
            loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, too
        del sys.modules[name]
        raise PluginError(f"plug-in {path.name} cannot be imported: {_told(error, path)}") from None
    return module


def _told(error: BaseException, path: Path) -> str:
    """An error in a line, with the file and the line that it comes from."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f"{error.filename}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    at = next((frame for frame in reversed(frames) if frame.filename == str(path)), None)
    where = f"{at.filename}, line {at.lineno}" if at else str(path)
    if isinstance(error, SystemExit):
        return f"{where}: it ends the process (SystemExit: {error.code}): guard that by if __name__ == '__main__'"
    if isinstance(error, OutOfPatienceError):
        return f"{where}: {error}: let it begin its work in a function"
    return f"{where}: {_sentence(error)}"


def _sentence(error: BaseException) -> str:
    """The first line of an error."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Raise OutOfPatienceError after so many seconds, in the main thread; others cannot be interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def expire(*_: object) -> None:
        raise OutOfPatienceError(f"its import takes more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _installed() -> list[EntryPoint]:
    return [point for kind in REGISTRIES for point in entry_points(group=f"hessbench.{kind.lower()}")]


def _load_entry_point(point: EntryPoint) -> str:
    """Register what an installed package offers; or, in a sentence, why not."""
    package = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
    try:
        with _patience(PATIENCE):
            value = point.load()
        kind = point.group.partition(".")[2].upper()
        _register([_checked(kind, point.name, value, package)], package)
    except KeyboardInterrupt:
        raise
    except PluginError as error:
        return str(error)
    except BaseException as error:  # SystemExit, too
        return f"{point.name} of package {package} cannot be imported ({point.value}): {_sentence(error)}"
    return ""


class Entry(NamedTuple):
    registry: str
    name: str
    value: Any


def _checked(registry: str, name: Any, value: Any, source: str) -> Entry:
    """An entry that is what its registry holds; PluginError for another."""
    kind, known = REGISTRIES[registry]
    where = f"{kind} {name!r} of plug-in {source}"
    parts = name.split(":") if isinstance(name, str) else [""]
    if not all(map(NAME.fullmatch, parts)) or len(parts) != (2 if kind == "peer" else 1) or parts[0] in RESERVED:
        form = "library:method, such as mylib:newton" if kind == "peer" else "letters, digits, dots and hyphens"
        raise PluginError(f"{where} has a name that does not fit: use {form}")
    if name in known or (kind == "problem" and SIZED.fullmatch(name)):
        taken = origin(kind, name) or "hessbench"
        raise PluginError(f"{where} has the name of a {kind} of {taken}: choose another name")
    if kind == "solver":
        try:
            check_solver(value)
        except TypeError as error:
            raise PluginError(f"{where}: {error}") from None
    elif kind == "peer" and not (is_dataclass(value) and callable(getattr(value, "prepare", None))):
        raise PluginError(f"{where} must be a dataclass with prepare(objective, start), found {value!r}")
    elif kind == "problem" and not callable(value):
        raise PluginError(f"{where} must be a function of dtype and device that returns a Problem, found {value!r}")
    return Entry(registry, name, OwnProblem(name, value, source) if kind == "problem" else value)


def _register(entries: list[Entry], source: str) -> None:
    for registry, name, value in entries:
        kind, known = REGISTRIES[registry]
        known[name] = value
        _origins[kind, name] = source


@dataclass(frozen=True)
class OwnProblem:
    """The builder of a plug-in, whose errors are a sentence. Its other attributes are those of a Recipe."""

    name: str
    builder: Builder
    source: str

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__") or "builder" not in self.__dict__:
            raise AttributeError(attribute)
        return getattr(self.builder, attribute)

    @property
    def summary(self) -> str:
        """That of the builder, or the first line of its docstring."""
        own = getattr(self.builder, "summary", None)
        return own if isinstance(own, str) else (self.builder.__doc__ or "").split("\n")[0]

    def __call__(self, dtype: torch.dtype, device: torch.device) -> Problem:
        where = f"problem {self.name!r} of plug-in {self.source}"
        try:
            problem = self.builder(dtype, device)
        except (DataError, MemoryError):
            raise
        except Exception as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            raise PluginError(f"{where} cannot be built: {at.filename}, line {at.lineno}: {_sentence(error)}") from None
        if not isinstance(problem, Problem):
            raise PluginError(f"{where} must return a datasets.Problem, found {type(problem).__name__}")
        return replace(problem, name=self.name)
