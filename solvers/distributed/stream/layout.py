"""What a folder of converted rows holds: blocks of raw bytes, and a header that says what each of them is."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FORMAT = 1
HEADER, ROWS, TARGETS, PROGRESS = "stream.json", "rows.bin", "targets.bin", "progress.jsonl"
# Of a block: what was read is still in the processor's cache when it is used. To read 512 MB from the system's cache of
# files took 31 ms, and X w in blocks of 4 MiB as long; of 1 MiB 46 ms, of 16 MiB 76 (one thread, minima of 12).
BLOCK_BYTES = 1 << 22
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


def packed(X: Tensor) -> bytes:
    """The bytes of a block: its rows; of a CSR block row pointers and columns in 32 bits, and values."""
    if X.layout != torch.sparse_csr:
        return X.contiguous().numpy().tobytes()
    parts = X.crow_indices().int(), X.col_indices().int(), X.values()
    return b"".join(_padded(part.contiguous().numpy().tobytes()) for part in parts)


def unpacked(content: Tensor, block: Block, header: Header) -> Tensor:
    """The rows that these bytes, (length,) uint8, are, without a copy."""
    kind, shape = DTYPES[header.dtype], (block.rows, header.columns)
    if header.layout == "dense":
        return content.view(kind).view(shape)
    arrays, place = [], 0
    for dtype, length in ((torch.int32, block.rows + 1), (torch.int32, block.entries), (kind, block.entries)):
        size = length * dtype.itemsize
        arrays.append(content[place : place + size].view(dtype))
        place += -(-size // ALIGNED) * ALIGNED
    return torch.sparse_csr_tensor(*arrays, shape, check_invariants=False)


def crc(content: Tensor | bytes) -> int:
    return zlib.crc32(content.numpy() if isinstance(content, Tensor) else content)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % ALIGNED)


def _first_line(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).splitlines()[0]
