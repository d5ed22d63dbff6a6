"""A function that may never answer, alone in its file: the process that calls it imports nothing else."""

from __future__ import annotations


def forever(name: str) -> str:
    while name == "hang":
        pass
    return name
