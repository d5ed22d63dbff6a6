"""Writing rows to a folder block by block, so that a conversion which was interrupted goes on."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

import torch
from torch import Tensor

from ...common.files import written_whole
from ...common.validation import finite_tensor
from .layout import HEADER, PROGRESS, ROWS, TARGETS, Block, Header, StreamError, crc, packed


class StreamWriter:
    """Appends blocks of rows and their targets to a folder; a context manager.

    identity: what the rows are made from and how. A folder in which a conversion of the same identity was interrupted
    is continued behind its last whole block, `rows` of which are there; one of another is begun again. Until
    `finish()` has written the header the folder is no stream. Raises StreamError for a folder with finished rows.
    """

    def __init__(self, folder: str | os.PathLike[str], identity: str) -> None:
        self.folder, self.identity = Path(folder), identity
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / HEADER).exists():
            raise StreamError(f"{self.folder} holds converted rows already: name another folder, or remove it")
        self.blocks = self._unfinished()
        self.rows = sum(block.rows for block in self.blocks)
        lengths = {ROWS: sum(block.bytes for block in self.blocks), TARGETS: 8 * self.rows}
        self._files = {name: open(self.folder / name, "ab") for name in lengths}
        for name, length in lengths.items():
            self._files[name].truncate(length)  # of the block that was being written
        if not self.blocks:
            (self.folder / PROGRESS).write_text(json.dumps({"identity": self.identity}) + "\n")
        self._progress = open(self.folder / PROGRESS, "a")

    def __enter__(self) -> StreamWriter:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in (*self._files.values(), self._progress):
            file.close()

    def append(self, X: Tensor, y: Tensor) -> None:
        """A block: X (m, d) dense or CSR, y (m,). ValueError for entries that are not finite."""
        start = self.rows
        try:
            X = finite_tensor("X", X, layouts=(torch.strided, torch.sparse_csr))
            y = finite_tensor("y", y).double()
        except ValueError as error:
            raise ValueError(f"rows {start:,} to {start + len(X) - 1:,}: {error}") from None
        entries = X.values() if X.layout == torch.sparse_csr else X
        content, targets = packed(X), y.contiguous().numpy().tobytes()
        squares = float(torch.linalg.vector_norm(entries, dtype=torch.float64)) ** 2 if entries.numel() else 0.0
        widest = X.shape[1] if X.layout != torch.sparse_csr else int(X.col_indices().max()) + 1 if len(entries) else 0
        block = Block(len(X), entries.numel(), widest, len(content), crc(content), crc(targets), squares)
        for name, part in ((ROWS, content), (TARGETS, targets)):
            self._files[name].write(part)
            _flushed(self._files[name])
        self._progress.write(json.dumps(asdict(block)) + "\n")  # only now is the block there
        _flushed(self._progress)
        self.blocks.append(block)
        self.rows += block.rows

    def finish(self, dtype: str, layout: str) -> None:
        """Write the header; ValueError without rows or columns."""
        columns = max((block.columns for block in self.blocks), default=0)
        if not columns:
            raise ValueError("there are no rows, or no columns: a loss needs at least one of each")
        header = Header(columns, dtype, layout, self.identity, tuple(self.blocks))
        with written_whole(self.folder / HEADER) as file:
            file.write(header.encoded())
        (self.folder / PROGRESS).unlink()

    def _unfinished(self) -> list[Block]:
        """The whole blocks that an interrupted conversion of the same has left."""
        try:
            first, *lines = (self.folder / PROGRESS).read_text().splitlines()
            if json.loads(first) != {"identity": self.identity}:
                return []
        except (OSError, ValueError):
            return []
        blocks: list[Block] = []
        for line in lines:
            try:
                blocks.append(Block(**json.loads(line)))
            except (ValueError, TypeError):  # the line that was being written
                break
        while blocks and not self._there(blocks):
            blocks.pop()
        (self.folder / PROGRESS).write_text("".join(f"{line}\n" for line in (first, *lines[: len(blocks)])))
        return blocks

    def _there(self, blocks: list[Block]) -> bool:
        """Whether the files hold the last of these blocks."""
        last = blocks[-1]
        pieces = (
            (ROWS, sum(block.bytes for block in blocks), last.bytes, last.crc),
            (TARGETS, 8 * sum(block.rows for block in blocks), 8 * last.rows, last.target_crc),
        )
        for name, end, length, known in pieces:
            with open(self.folder / name, "rb") as file:
                file.seek(end - length)
                if crc(file.read(length)) != known:
                    return False
        return True


def _flushed(file) -> None:
    file.flush()
    os.fsync(file.fileno())
