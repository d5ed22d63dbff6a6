"""A finding: what stored runs answer to one of four questions."""

from __future__ import annotations

from dataclasses import dataclass

from datasets import Certificate, DataError, certificate

FASTEST, BELIEVED = "Which solver is fastest?", "Can the answers be believed?"
MISLEADS, MATTERS = "What misleads?", "Which setting matters?"
NAMED = 2  # problems that a sentence names; the others are counted


@dataclass(frozen=True)
class Finding:
    """An answer to a question. The more decades it is about (log10 of a ratio of times, losses or
    counts), the higher it ranks."""

    question: str
    decades: float
    heading: str
    text: str
    runs: tuple[str, ...]


def known(problem: str) -> Certificate | None:
    """None where the problem or its data is not here."""
    try:
        return certificate(problem)
    except (DataError, ValueError):
        return None
