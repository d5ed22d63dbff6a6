"""Rows on a disk: converted once, and read block by block."""

from .layout import StreamError
from .rows import RowStream
from .writer import StreamWriter

__all__ = ["RowStream", "StreamError", "StreamWriter"]
