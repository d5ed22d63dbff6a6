"""Files converted once to rows that are read block by block."""

from .convert import convert

__all__ = ["convert"]
