"""Messages about absent data: names with the same reason share one."""

from __future__ import annotations

from collections.abc import Mapping

MOST_NAMES = 4  # that are listed one by one


def sentences(reasons: Mapping[str, str]) -> list[str]:
    """`name: reason` for each name; names with the same reason are listed together, many of them as first ... last."""
    named: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        named.setdefault(reason, []).append(name)
    return [f"{_together(names)}: {reason}" for reason, names in named.items()]


def _together(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= MOST_NAMES else f"{names[0]} ... {names[-1]} ({len(names)} of them)"
