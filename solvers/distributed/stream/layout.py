"""What a folder of converted rows holds: blocks of raw bytes, and a header that says what each of them is."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

FORMAT = 1
HEADER, ROWS, TARGETS, PROGRESS = "stream.json", "rows.bin", "targets.bin", "progress.jsonl"
BLOCK_BYTES = 1 << 24  # of a block: long enough for a disk, short enough to have several of them in memory
ALIGNED = 8  # bytes: where an array of a block begins
DTYPES = {"float32": torch.float32, "float64": torch.float64}


class StreamError(ValueError):
    """One sentence: what is wrong with the files of converted rows, and what to do."""


@dataclass(frozen=True)
class Block:
    """Some consecutive rows: how many, with how many stored entries, in columns below `columns`; their bytes in
    ROWS, checksums (CRC-32), and ||X||_F^2 of them."""

    rows: int
    entries: int
    columns: int
    bytes: int
    crc: int
    target_crc: int
    squares: float


@dataclass(frozen=True)
class Header:
    """columns: of X. dtype: float32 or float64. layout: dense or csr. source: what they are made from, and how."""

    columns: int
    dtype: str
    layout: str
    source: str
    blocks: tuple[Block, ...]

    def encoded(self) -> bytes:
        content = {"format": FORMAT} | asdict(self)
        return json.dumps(content | {"sha256": digest(content)}).encode()

    @property
    def checksum(self) -> str:
        """SHA-256 over what the rows are: the checksums of all blocks, without the name of the file they come from."""
        return digest(asdict(self) | {"source": ""})


def digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_header(folder: Path) -> Header:
    """Of a folder that was converted to its end. Raises StreamError."""
    try:
        content = json.loads((folder / HEADER).read_bytes())
    except FileNotFoundError:
        if (folder / PROGRESS).exists():
            raise StreamError(f"{folder} is converted in part: convert the same file again, and it goes on") from None
        raise StreamError(f"{folder} holds no converted rows: make them with `hessbench data convert`") from None
    except (OSError, ValueError) as error:
        raise StreamError(f"{folder / HEADER} cannot be read ({_first_line(error)}): convert the file again") from None
    try:
        known, kind = content.pop("sha256"), content.pop("format")
        blocks = tuple(Block(**block) for block in content.pop("blocks"))
        header = Header(**content, blocks=blocks)
    except (AttributeError, LookupError, TypeError):
        raise StreamError(f"{folder / HEADER} is no header of converted rows: convert the file again") from None
    if kind != FORMAT:
        raise StreamError(f"{folder} is in format {kind}, and this version reads {FORMAT}: convert the file again")
    if known != digest({"format": kind} | asdict(header)):
        raise StreamError(f"{folder / HEADER} has changed since the conversion: convert the file again")
    return header


def arrays_of(block: Block, columns: int, dtype: str, layout: str) -> list[tuple[np.dtype, int]]:
    """The kinds and the lengths of the arrays that the bytes of a block are, one after the other."""
    kind = np.dtype(dtype)
    if layout == "dense":
        return [(kind, block.rows * columns)]
    return [(np.dtype(np.int32), block.rows + 1), (np.dtype(np.int32), block.entries), (kind, block.entries)]


def packed(X: Tensor) -> bytes:
    """The bytes of a block: its rows; of a CSR block row pointers and columns in 32 bits, and values."""
    if X.layout != torch.sparse_csr:
        return X.contiguous().numpy().tobytes()
    parts = X.crow_indices().int(), X.col_indices().int(), X.values()
    return b"".join(_padded(part.contiguous().numpy().tobytes()) for part in parts)


def unpacked(content: np.ndarray, block: Block, header: Header) -> Tensor:
    """The rows that these bytes (uint8) are, without a copy."""
    arrays, place = [], 0
    for kind, length in arrays_of(block, header.columns, header.dtype, header.layout):
        arrays.append(torch.from_numpy(content[place : place + length * kind.itemsize].view(kind)))
        place += -(-length * kind.itemsize // ALIGNED) * ALIGNED
    if header.layout == "dense":
        return arrays[0].view(block.rows, header.columns)
    return torch.sparse_csr_tensor(*arrays, (block.rows, header.columns), check_invariants=False)


def crc(content: Any) -> int:
    return zlib.crc32(content)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % ALIGNED)


def _first_line(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).splitlines()[0]
