"""What is not there, in as few sentences as say it."""

from __future__ import annotations

from collections.abc import Mapping

MOST = 4  # names that are told one by one


def sentences(reasons: Mapping[str, str]) -> list[str]:
    """`name: reason` for each name; names that share a reason share a sentence, many of them by the first and last."""
    named: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        named.setdefault(reason, []).append(name)
    return [f"{_together(names)}: {reason}" for reason, names in named.items()]


def _together(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= MOST else f"{names[0]} ... {names[-1]} ({len(names)} of them)"
