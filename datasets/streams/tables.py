"""Parquet and LIBSVM files, read some rows at a time."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from solvers.common.names import lookup

from ..loaders.storage import PACKED

Chunk = tuple[Tensor, Tensor]


def parquet(path: Path, target: str | None, start: int, rows: Callable[[int], int]) -> Iterator[Chunk]:
    """X and y from the row `start` on. rows: a block's, from the number of columns."""
    import pyarrow
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pyarrow.ArrowInvalid:
        raise ValueError("it is not a Parquet file, or damaged: write it again, as by DataFrame.to_parquet") from None
    schema = {field.name: field.type for field in file.schema_arrow}
    if target is None:
        raise ValueError(f"name the column to predict with --target: {', '.join([*schema][:8])}")
    lookup(schema, target, "column")
    for name, kind in schema.items():
        if not (pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind) or pyarrow.types.is_boolean(kind)):
            raise ValueError(f"the column {name!r} holds {kind}: encode it as numbers, or leave it out of the file")
    features = [name for name in schema if name != target]
    for table in _tables(file, start, rows(len(features))):
        if missing := [name for name in schema if table.column(name).null_count]:
            raise ValueError(f"the column {missing[0]!r} has missing values: fill them, or leave the rows out")
        numbers = {name: table.column(name).cast(pyarrow.float64()).to_numpy() for name in schema}
        X = np.stack([numbers[name] for name in features], axis=1) if features else np.empty((len(table), 0))
        yield torch.from_numpy(X), torch.from_numpy(np.array(numbers[target]))


def _tables(file: Any, start: int, count: int) -> Iterator[Any]:
    """Its rows from `start` on, `count` at a time: batches end with a row group, and blocks need not."""
    import pyarrow

    lengths = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    ends = np.cumsum([0, *lengths])
    first = int(np.searchsorted(ends[1:], start, side="right"))  # the row group with that row
    if first == len(lengths):
        return
    skipped, pending = start - int(ends[first]), []
    for batch in file.iter_batches(count, row_groups=[*range(first, len(lengths))]):
        rest = batch.slice(skipped)  # none of a batch that ends before
        skipped -= len(batch) - len(rest)
        pending.append(rest)
        if sum(map(len, pending)) >= count:
            table = pyarrow.Table.from_batches(pending)
            yield table.slice(0, count)
            pending = table.slice(count).to_batches()
    if sum(map(len, pending)):
        yield pyarrow.Table.from_batches(pending)


def libsvm(path: Path, start: int, block_bytes: int) -> Iterator[Chunk]:
    """X, CSR with as many columns as these rows have, and y, from the row `start` on."""
    from sklearn.datasets import load_svmlight_file

    with PACKED.get(path.suffix.lower(), open)(path, "rb") as file:
        lines = (line for line in file if line.split(b"#")[0].strip())
        for _ in islice(lines, start):
            pass
        while chunk := _some(lines, block_bytes // 2):  # as text an entry takes half the bytes, or more
            try:
                X, y = load_svmlight_file(io.BytesIO(b"".join(chunk)), dtype=np.float64, zero_based=True)
            except (ValueError, OverflowError) as error:
                raise ValueError(
                    f"rows {start:,} to {start + len(chunk) - 1:,} are not LIBSVM (label index:value ...): {error}"
                ) from None
            if len(X.indices) and X.indices.min() == 0:
                raise ValueError("it has a column 0, and LIBSVM counts columns from 1: add 1 to all of them")
            parts = (torch.from_numpy(np.asarray(part)) for part in (X.indptr, X.indices - 1, X.data))
            yield torch.sparse_csr_tensor(*parts, (len(y), max(X.shape[1] - 1, 0))), torch.from_numpy(y)
            start += len(y)


def _some(lines: Iterator[bytes], size: int) -> list[bytes]:
    """Lines of together about so many bytes."""
    found: list[bytes] = []
    while size > 0 and (line := next(lines, None)) is not None:
        found.append(line)
        size -= len(line)
    return found
