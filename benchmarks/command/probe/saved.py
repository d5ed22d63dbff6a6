"""The file of a probe: the weights of each penalty that was fitted, written whole after each."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from solvers.common.files import written_whole

NUMBERS = ("value", "gap", "accuracy", "loss", "seconds", "iterations")
WORDS = ("status", "message")


class SavedProbe:
    """What `--out` names: `numpy.load` reads it.

    l2 (m,) from the largest, weights (m, K, d) or, of two classes, (m, 1, d), intercepts (m, K or 1), classes (K,):
    the labels; columns: the names of the d columns that are used; and of each penalty the numbers of the table.
    """

    def __init__(
        self, path: Path | None, settings: list[Any], classes: tuple[str, ...], columns: tuple[str, ...]
    ) -> None:
        """settings: what makes two probes one and the same. Raises ValueError for a path that cannot be a file's."""
        if path is not None and (path.is_dir() or path.suffix != ".npz"):
            raise ValueError(f"--out names an NPZ file, as probe.npz; found {str(path)!r}")
        self.path, self.classes, self.columns = path, classes, columns
        self.shape = (len(classes) if len(classes) > 2 else 1, -1)  # of a fit: class by class, the intercept last
        self.identity = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
        self.rows: dict[float, dict[str, Any]] = {}

    def read(self) -> None:
        """What an earlier command has fitted. ValueError where the file is another probe's, or no probe's."""
        if self.path is None or not self.path.exists():
            return
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                found = {name: archive[name] for name in archive.files}
            identity, l2s = str(found["identity"]), found["l2"].tolist()
        except (ValueError, KeyError, OSError, EOFError, BadZipFile):
            raise ValueError(f"{self.path} is no file of a probe: name another one with --out") from None
        if identity != self.identity:
            raise ValueError(f"{self.path} holds a probe of other data or settings: name another file with --out")
        names = ("x", *NUMBERS, *WORDS)
        self.rows = {l2: {name: found[name][k] for name in names} for k, l2 in enumerate(l2s)}

    def add(self, l2: float, row: dict[str, Any]) -> None:
        """Store a fit, and the file with it."""
        self.rows[l2] = row
        if self.path is None:
            return
        l2s = sorted(self.rows, reverse=True)
        stacked = {name: np.stack([self.rows[l2][name] for l2 in l2s]) for name in ("x", *NUMBERS, *WORDS)}
        W, d = stacked["x"].reshape(len(l2s), *self.shape), len(self.columns)
        parts = {"weights": W[:, :, :d], "intercepts": W[:, :, d:].sum(2)}  # zeros where there are none
        about = {"l2": np.array(l2s), "classes": np.array(self.classes), "columns": np.array(self.columns)}
        with written_whole(self.path) as file:
            np.savez(file, identity=np.array(self.identity), **about, **stacked, **parts)
