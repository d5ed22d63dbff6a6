"""Rows on a disk as the X of a linear model."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor

from ...common.blocked_rows import BlockedRows
from .layout import DTYPES, HEADER, ROWS, TARGETS, StreamError, crc, read_header, unpacked
from .read_ahead import ReadAhead


class RowStream(BlockedRows):
    """X (n, d) in a folder that a file was converted to, and y (n,): for LogisticRegression and SoftmaxRegression.

    rank, size: the share of one of `size` processes, in whole blocks: for its part of a ShardedObjective.

    Every product with X is one pass over the file, in blocks of some megabytes, which a thread reads ahead of the
    arithmetic into three buffers: memory is that of the buffers, of some vectors of n numbers and of what a solver
    needs for d coefficients. A block is checked by its checksum when it is first read; at each pass the size and the
    time of the file must be what they were.
    passes: begun so far. bytes: read. waited: seconds for which the arithmetic waited for the disk.
    Raises StreamError, a ValueError, in one sentence: a file that is missing, converted in part, truncated or changed.
    """

    def __init__(self, folder: str | os.PathLike[str], rank: int = 0, size: int = 1) -> None:
        self.folder = Path(folder)
        self.header = header = read_header(self.folder)
        first, last = (len(header.blocks) * r // size for r in (rank, rank + 1))
        if first == last:
            raise StreamError(
                f"{self.folder} has {len(header.blocks)} blocks, too few for {size} processes: convert in smaller ones"
            )
        before, self._blocks = header.blocks[:first], header.blocks[first:last]
        self._starts = [*accumulate((block.rows for block in self._blocks), initial=0)]
        offsets = [*accumulate((b.bytes for b in self._blocks), initial=sum(b.bytes for b in before))]
        self._places = [(offset, block.bytes) for offset, block in zip(offsets, self._blocks, strict=False)]
        self.shape = torch.Size((self._starts[-1], header.columns))
        self.dtype = DTYPES[header.dtype]
        self.layout = torch.strided if header.layout == "dense" else torch.sparse_csr
        self.stored = sum(block.entries for block in self._blocks)
        self.norm = math.sqrt(math.fsum(block.squares for block in self._blocks))
        self.checksum = header.checksum
        self._stamp = self._checked_stamp(sum(block.bytes for block in header.blocks))
        self._unchecked = set(range(len(self._blocks)))
        self._reader = ReadAhead(max(block.bytes for block in self._blocks))
        self.first = sum(block.rows for block in before)  # the number of its first row in the folder
        self.y = self._read_targets(self.first)
        self.forget_counts()

    @property
    def count(self) -> int:
        """Of the blocks."""
        return len(self._blocks)

    @property
    def size(self) -> int:
        """Bytes of a pass."""
        return sum(block.bytes for block in self._blocks)

    def forget_counts(self) -> None:
        """Count from 0."""
        self.passes, self.bytes, self._reader.waited = 0, 0, 0.0

    @property
    def waited(self) -> float:
        return self._reader.waited

    def share(self, rank: int, size: int) -> tuple[RowStream, slice]:
        """The part of one of `size` processes, whole blocks, and which of the rows in the folder these are."""
        part = RowStream(self.folder, rank, size)
        return part, slice(part.first, part.first + len(part))

    def __repr__(self) -> str:
        n, d = self.shape
        return f"RowStream({str(self.folder)!r}: {n:,} x {d:,}, {self.header.layout}, {self.header.dtype})"

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        with self._open(ROWS) as file:
            if self._stamp != _stamp(file.fileno()):
                raise StreamError(f"{self.folder / ROWS} changed while it was in use: convert the file again")
            self.passes += 1
            pieces = self._reader.pieces(file.fileno(), self._places, self._check)
            try:
                for number, content in enumerate(pieces):
                    block = self._blocks[number]
                    self.bytes += block.bytes
                    yield slice(*self._starts[number : number + 2]), unpacked(content, block, self.header)
            except EOFError:
                raise StreamError(f"{self.folder / ROWS} became shorter while it was read: convert it again") from None
            except OSError as error:
                raise StreamError(f"{self.folder / ROWS} cannot be read ({error.strerror})") from None
            finally:
                pieces.close()

    def _check(self, number: int, content: Tensor) -> None:
        """StreamError where a block that is read for the first time is not what was written."""
        if number in self._unchecked:
            if crc(content) != self._blocks[number].crc:
                first, last = self._starts[number], self._starts[number + 1] - 1
                raise StreamError(
                    f"rows {first:,} to {last:,} in {self.folder / ROWS} have changed since the conversion (their "
                    "checksum is another): convert the file again"
                )
            self._unchecked.discard(number)

    def _checked_stamp(self, size: int) -> tuple[int, int]:
        with self._open(ROWS) as file:
            stamp = _stamp(file.fileno())
        if stamp[0] != size:
            what = "is truncated" if stamp[0] < size else "is too long"
            raise StreamError(
                f"{self.folder / ROWS} {what}: {stamp[0]:,} bytes, where {size:,} were written; convert the file again"
            )
        return stamp

    def _read_targets(self, start: int) -> Tensor:
        """y (n,), float64, checked."""
        with self._open(TARGETS) as file:
            file.seek(8 * start)
            content = file.read(8 * len(self))
        places = zip(self._starts, self._starts[1:], self._blocks, strict=False)
        if len(content) < 8 * len(self) or any(crc(content[8 * a : 8 * b]) != k.target_crc for a, b, k in places):
            raise StreamError(f"{self.folder / TARGETS} is truncated or has changed: convert the file again")
        return torch.frombuffer(bytearray(content), dtype=torch.float64)

    def _open(self, name: str):
        try:
            return open(self.folder / name, "rb", buffering=0)
        except OSError as error:
            raise StreamError(
                f"{self.folder / name} cannot be read ({error.strerror}), and {HEADER} says that it is there"
            ) from None


def _stamp(file: int) -> tuple[int, int]:
    found = os.fstat(file)
    return found.st_size, found.st_mtime_ns
