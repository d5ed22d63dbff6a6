"""Names for the completion of a shell."""

from __future__ import annotations

from collections.abc import Callable

Completion = Callable[[str], list[tuple[str, str]]]


def names(*kinds: str) -> Completion:
    """Completes an option by the names of these kinds of the catalogue, each with what it is."""

    def complete(incomplete: str) -> list[tuple[str, str]]:
        from .cached import catalogue

        known = catalogue()
        entries = (entry for kind in kinds for entry in known[kind])
        return [(each["name"], each["summary"]) for each in entries if each["name"].startswith(incomplete)]

    return complete
