"""Arrays in NPY, NPZ and safetensors files, read some rows at a time with plain reads."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor

from solvers.common.names import lookup

KINDS = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64} | {
    f"{sign}{bits}": getattr(torch, f"{name}{bits}")
    for sign, name in (("I", "int"), ("U", "uint"))
    for bits in (8, 16, 32, 64)
    if hasattr(torch, f"{name}{bits}")
}
Chunk = tuple[Tensor, Tensor]


class Stored(NamedTuple):
    """An array in a file: what it holds, and `open()` to its first byte."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    open: Callable[[], BinaryIO]

    def rows(self, start: int, count: int) -> Iterator[Tensor]:
        """Its rows from `start` on, `count` at a time."""
        width = math.prod(self.shape[1:]) * self.dtype.itemsize
        with closing(self.open()) as file:
            skip(file, start * width)
            for first in range(start, self.shape[0], count):
                wanted = min(count, self.shape[0] - first)
                content = file.read(wanted * width)
                if len(content) < wanted * width:
                    raise ValueError(f"it ends in row {first + len(content) // max(width, 1):,}: it is truncated")
                part = torch.frombuffer(bytearray(content), dtype=self.dtype) if content else torch.empty(0)
                yield part.view(wanted, *self.shape[1:])


def skip(file: BinaryIO, length: int) -> None:
    """Go on by so many bytes; those of a packed file are read."""
    file.seek(length, 1)


def _npy(open_file: Callable[[], BinaryIO]) -> Stored:
    """The array that a file in NPY format holds."""
    with closing(open_file()) as file:
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, by_columns, kind = read(file)
        except ValueError as error:
            raise ValueError(f"it is no array in NPY format: {error}") from None
        start = file.tell()
    if by_columns and len(shape) > 1:
        raise ValueError("its array is stored by columns: save numpy.ascontiguousarray(X)")
    if kind.hasobject or kind.kind not in "fiub" or not kind.isnative:
        raise ValueError(f"its array holds {kind}: save numbers, as by X.astype(float)")
    dtype = torch.from_numpy(np.empty(0, kind)).dtype

    def open_data() -> BinaryIO:
        file = open_file()
        skip(file, start)
        return file

    return Stored(shape, dtype, open_data)


def npy(path: Path) -> dict[str, Stored]:
    return {"X": _npy(lambda: open(path, "rb"))}


def npz(path: Path) -> dict[str, Stored]:
    def opened(name: str) -> BinaryIO:
        return zipfile.ZipFile(path).open(name)

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        raise ValueError("it is no NPZ file, or truncated: save it by numpy.savez(file, X=X, y=y)") from None
    return {name.removesuffix(".npy"): _npy(lambda name=name: opened(name)) for name in names}


def safetensors(path: Path) -> dict[str, Stored]:
    """By the format's description: https://github.com/huggingface/safetensors#format"""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            if length > path.stat().st_size:
                raise ValueError
            known = json.loads(file.read(length))
        except ValueError:
            raise ValueError("it is no safetensors file, or truncated: write it again") from None
    known.pop("__metadata__", None)

    def opened(offset: int) -> BinaryIO:
        file = open(path, "rb")
        file.seek(8 + length + offset)
        return file

    return {
        name: Stored(
            tuple(about["shape"]),
            lookup(KINDS, about["dtype"], "type of numbers"),
            lambda offset=about["data_offsets"][0]: opened(offset),
        )
        for name, about in known.items()
    }


def _targets(array: Stored, n: int) -> Tensor:
    if array.shape != (n,):
        raise ValueError(f"X has {n:,} rows, and the target the shape {array.shape}: give one number for each row")
    return torch.cat([*array.rows(0, n)])


def chunks(
    path: Path, arrays: dict[str, Stored], target: str | None, start: int, rows: Callable[[int], int]
) -> Iterator[Chunk]:
    """X and y from the row `start` on. The target is an array of the file ("y" without a name), an NPY file, or, where
    the file holds one array alone, the number of one of its columns. rows: a block's, from the number of columns."""
    wide = [name for name, array in arrays.items() if len(array.shape) == 2 and name != target]
    if not wide or ("X" not in wide and len(wide) > 1):
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"it needs an array X (n, d), found {shapes or 'none'}")
    X = arrays["X" if "X" in wide else wide[0]]
    n, d = X.shape
    column = None
    if len(arrays) == 1 and target is not None and target.isdecimal():
        column = int(target)
        if column >= d:
            raise ValueError(f"there is no column {column}: X has {d}, counted from 0")
    elif len(arrays) == 1:
        if target is None or not target.endswith(".npy"):
            raise ValueError("it holds X alone: name the target, --target COLUMN (a number) or --target FILE.npy")
        y = _targets(_npy(lambda: open(target, "rb")), n)
    else:
        y = _targets(lookup(arrays, target or "y", "array"), n)
    for part in X.rows(start, rows(d)):
        if column is None:
            yield part, y[start : start + len(part)]
        else:
            yield torch.cat([part[:, :column], part[:, column + 1 :]], dim=1), part[:, column]
        start += len(part)
