"""Convert a file to a folder of rows for RowStream, once; a conversion that was interrupted goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from solvers.common.names import lookup
from solvers.distributed import RowStream
from solvers.distributed.stream import StreamError, StreamWriter
from solvers.distributed.stream.layout import BLOCK_BYTES, DTYPES

from ..loaders.storage import PACKED
from . import arrays, tables

ARRAYS = {".npy": arrays.npy, ".npz": arrays.npz, ".safetensors": arrays.safetensors}
SUFFIXES = ".npy, .npz, .safetensors, .parquet, .libsvm or .svm (text may end in .gz or .bz2)"


def convert(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    target: str | None = None,
    *,
    dtype: str = "float64",
    block_bytes: int = BLOCK_BYTES,
    progress: Callable[[int], None] = lambda rows: None,
) -> RowStream:
    """Write the rows of a file to a folder in blocks of about `block_bytes`, and open them.

    target: the column of a Parquet file; the array of an NPZ or safetensors file, "y" without a name; of an NPY file
        the number of a column, or the name of another NPY file. A LIBSVM file has its labels first.
    dtype: float32 or float64, of X. progress: called with the number of rows so far.

    Memory is that of a block or two. After an interruption the same call goes on behind the last whole block; a file
    that has changed since is converted from its beginning. A folder that holds the rows of this file is only opened.
    Raises ValueError, one sentence, for a file of another kind and for entries that are missing or not finite.
    """
    source, folder = Path(path), Path(folder)
    lookup(DTYPES, dtype, "precision")
    try:
        found = source.stat()
    except OSError as error:
        raise ValueError(f"{source} cannot be read ({error.strerror})") from None
    stamp = [found.st_size, found.st_mtime_ns, os.path.abspath(source)]
    identity = json.dumps([*stamp, target, dtype, block_bytes])
    if (folder / "stream.json").exists():
        stream = RowStream(folder)
        if stream.header.source != identity:
            raise StreamError(f"{folder} holds the rows of another file, or of this one before: name another folder")
        return stream
    try:
        read, layout = _reader(source, target, block_bytes, DTYPES[dtype].itemsize)
        with StreamWriter(folder, identity) as writer:
            for X, y in read(writer.rows):
                writer.append(_as(X, DTYPES[dtype]), y)
                progress(writer.rows)
            writer.finish(dtype, layout)
    except StreamError:
        raise
    except (ValueError, EOFError) as error:
        raise ValueError(f"{source}: {error}") from None
    return RowStream(folder)


Reader = Callable[[int], Iterator[tuple[Tensor, Tensor]]]


def _reader(path: Path, target: str | None, block_bytes: int, itemsize: int) -> tuple[Reader, str]:
    """What gives the rows from a row on, and their layout."""

    def rows(columns: int) -> int:
        return max(block_bytes // (max(columns, 1) * itemsize), 1)

    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    if suffix in ARRAYS:
        return lambda start: arrays.chunks(path, ARRAYS[suffix](path), target, start, rows), "dense"
    if suffix in (".parquet", ".pq"):
        return lambda start: tables.parquet(path, target, start, rows), "dense"
    if suffix in (".libsvm", ".svm", ".svmlight"):
        if target is not None:
            raise ValueError("a LIBSVM file has its labels first and no column names: leave --target out")
        return partial(tables.libsvm, path, block_bytes=block_bytes), "csr"
    raise ValueError(f"its format is not known: name it so that it ends in {SUFFIXES}")


def _as(X: Tensor, dtype: torch.dtype) -> Tensor:
    if X.layout != torch.sparse_csr:
        return X.to(dtype)
    parts = X.crow_indices(), X.col_indices(), X.values().to(dtype)
    return torch.sparse_csr_tensor(*parts, X.shape)
