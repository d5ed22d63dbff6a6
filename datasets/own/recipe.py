"""A file and a model as a problem, found by its name in every process of a command, and in later ones."""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from solvers.common.files import written_whole
from solvers.distributed import RowStream
from solvers.distributed.stream.layout import HEADER, PROGRESS

from ..loaders.dataset import Dataset
from ..loaders.storage import DataError, cache_folder, sha256
from ..problem import Problem
from .files import read
from .models import MODELS, check, problem, words
from .prepare import Prepared, prepare
from .targets import classes

VARIABLE = "HESSBENCH_OWN_DATA"  # a JSON object: the settings of each problem of this command, by name
SMALL = 100_000  # entries of X
LONGEST = 30  # letters of a file's stem in a name
AS_THEY_ARE = "rows on a disk are taken as they are: none is held out, and no column is standardised or left out"
DIGITS = 6  # of the hash in a name


@dataclass(frozen=True)
class OwnData:
    """A file of a user's own and the model to fit to it: call it with a dtype and a device. Raises ValueError.

    The name ends in digits of a hash of the file and the settings, so that tables never mix runs on other data.
    """

    path: str
    target: str | None = None
    model: str = "logistic"
    l2: float = 0.0
    intercept: bool = True
    standardize: bool = True
    test_size: float = 0.3
    drop: tuple[str, ...] = ()
    needs = ""  # of the data sets that are fetched: none

    @property
    def prepared(self) -> Prepared:
        check(self.model, self.l2, self.intercept)
        return _prepared(self, tuple(map(_stamp, self.files)))

    @property
    def files(self) -> tuple[str, ...]:
        """The file of the rows and, beside an NPY file, that of the labels."""
        labels = self.target is not None and self.path.endswith(".npy") and self.target.endswith(".npy")
        return (self.path, self.target) if labels else (self.path,)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the columns, a sentence each."""
        return self.prepared.notes

    @property
    def name(self) -> str:
        stem = re.sub(r"[^A-Za-z0-9_]+", "-", Path(self.path).name.split(".")[0]).strip("-")[:LONGEST] or "data"
        return f"{stem}-{self.model}-{self._hash()[:DIGITS]}"

    def _hash(self) -> str:
        """Over the bytes of the file, not over the numbers made of them: those differ between processors."""
        settings = {name: value for name, value in asdict(self).items() if name != "path"}
        hashes = [_file_hash(file, _stamp(file)) for file in self.files]
        if len(hashes) > 1:
            settings["target"] = hashes[1]  # whatever the file is called
        content = json.dumps([hashes[0], settings])
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def summary(self) -> str:
        data = self.prepared.data
        label = Path(self.files[1]).stem if len(self.files) > 1 else self.target or "the labels"
        about = words(data, self.prepared.classes, label, self.model, self.l2, self.intercept)
        return f"{Path(self.path).name}: {about}" + ", standardised" * self.standardize

    @property
    def small(self) -> bool:
        return self.prepared.data.X.shape.numel() <= SMALL

    def __call__(self, dtype: torch.dtype, device: torch.device) -> Problem:
        settings = (self.model, self.l2, self.intercept, dtype, device)
        return problem(self.prepared.data, self.prepared.classes, self.name, self.summary, *settings)


@dataclass(frozen=True)
class StreamedData(OwnData):
    """Rows on a disk, in a folder of `hessbench data convert`, for the CPU: none is held out, no column is changed."""

    standardize: bool = False
    test_size: float = 0.0

    @property
    def prepared(self) -> Prepared:
        check(self.model, self.l2, self.intercept)
        if not MODELS[self.model].takes_blocks:
            raise ValueError(f"{self.model} needs its rows in memory: choose logistic or softmax for a folder")
        return _streamed(self, self._stamp())

    @property
    def small(self) -> bool:
        return False

    def _stamp(self) -> tuple[int, int]:
        header = os.path.join(self.path, HEADER)
        return _stamp(header if os.path.exists(header) else self.path)

    def _hash(self) -> str:
        settings = [self.prepared.data.X.checksum, self.model, self.l2, self.intercept]
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()


def own_data(path: str, **settings: Any) -> OwnData:
    """Of a file, or of a folder that `hessbench data convert` has made or begun."""
    if not any(os.path.exists(os.path.join(path, name)) for name in (HEADER, PROGRESS)):
        return OwnData(path, **settings)
    for name in ("target", "drop"):
        if settings.get(name):
            raise ValueError(f"the rows in {path} were converted with their target: leave --{name} out")
    chosen = {name: value for name, value in settings.items() if name in ("model", "l2", "intercept")}
    return StreamedData(path, **chosen)


@lru_cache(maxsize=2)  # each has buffers
def _streamed(own: StreamedData, stamp: tuple[int, int]) -> Prepared:
    stream = RowStream(own.path)
    target = classes(stream.y.numpy(), "target", own.model, MODELS[own.model].classes, ", ".join(MODELS))
    data = Dataset(own.path, stream, torch.as_tensor(target.y), stream.y[:0], stream.y[:0])
    return Prepared(data, target.names, (*target.notes, AS_THEY_ARE))


def _stamp(path: str) -> tuple[int, int]:
    """Time and size of a file, so that one that changed is read again; ValueError where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        raise ValueError(
            f"there is no file {path!r}: give its path from the current folder, or an absolute one"
        ) from None
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=8)
def _file_hash(path: str, stamp: tuple[int, int]) -> str:
    return sha256(Path(path))


@lru_cache(maxsize=8)
def _prepared(own: OwnData, stamps: tuple[tuple[int, int], ...]) -> Prepared:
    table = read(own.path, own.target, own.drop)
    try:
        return prepare(table, own.path, model=own.model, standardise=own.standardize, test_size=own.test_size, seed=0)
    except ValueError as error:
        raise ValueError(f"{own.path}: {error}") from None


def remember(own: OwnData) -> str:
    """Make the problem known under its name, which is returned, in this process and those that it starts; and in later
    ones, such as reports, by a file in the user's cache folder where that can be written to."""
    own.prepared  # noqa: B018, what is wrong with the file is said before its name
    files = [os.path.abspath(file) for file in own.files]
    settings = asdict(own) | dict(zip(("path", "target"), files, strict=False))
    name = own.name
    os.environ[VARIABLE] = json.dumps(json.loads(os.environ.get(VARIABLE) or "{}") | {name: settings})
    with suppress(OSError, DataError), written_whole(_file(name)) as file:
        file.write(json.dumps(settings).encode())
    return name


@dataclass(frozen=True)
class Remembered:
    """Own data under the name it was measured by: a DataError where the file is gone or has changed since."""

    name: str
    own: OwnData
    needs = ""

    @property
    def summary(self) -> str:
        return self._found().summary

    @property
    def small(self) -> bool:
        return self._found().small

    def __call__(self, dtype: torch.dtype, device: torch.device) -> Problem:
        return self._found()(dtype, device)

    def _found(self) -> OwnData:
        try:
            now = self.own.name
        except (ValueError, OSError) as error:
            raise DataError(str(error)) from None
        if now != self.name:
            raise DataError(f"{self.own.path} has changed since it was {self.name}: name it again with --data")
        return self.own


@lru_cache(maxsize=64)
def _remembered(name: str, settings: str) -> Remembered:
    own = json.loads(settings)
    return Remembered(name, own_data(**own | {"drop": tuple(own["drop"])}))


def recall(name: str) -> Remembered | None:
    """The problem of a user's own that has this name; None where none has."""
    with suppress(OSError, DataError, ValueError, TypeError, LookupError):
        known = json.loads(os.environ.get(VARIABLE) or "{}")
        settings = json.dumps(known[name]) if name in known else _file(name).read_text()
        return _remembered(name, settings)
    return None


def _file(name: str) -> Path:
    return cache_folder() / "own" / f"{name}.json"
