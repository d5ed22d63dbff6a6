"""Looking names up in a registry, with the near matches in the error."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")
FEW = 8  # names that fit into a sentence
STEPPED = "torch:"  # begins the name of an optimiser of torch, which our loop steps as it steps a solver of ours


def lookup(registry: Mapping[str, T], name: str, kind: str) -> T:
    """`registry[name]`, or a ValueError that offers the nearest names."""
    if name in registry:
        return registry[name]
    near = get_close_matches(str(name), registry, n=3, cutoff=0.5)
    known = ", ".join(list(registry)[:FEW]) + (f", ... ({len(registry)} in all)" if len(registry) > FEW else "")
    remedy = f"did you mean {' or '.join(near)}?" if near else f"known: {known}"
    raise ValueError(f"unknown {kind} {name!r}: {remedy}")


def library(name: str) -> str:
    """The library of a peer's name (scipy of scipy:BFGS); empty for a solver that our loop steps."""
    before, colon, _ = name.partition(":")
    return before if colon and not name.startswith(STEPPED) else ""
