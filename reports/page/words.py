"""Words on the page: commands set as code, and what is long folded after three short sentences."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

SENTENCES, LETTERS = 3, 260  # above the fold
FOLDERS = re.compile(r"(?<![\w:/.~])/(?:[^\s/`\"']+/)+")  # what is before the name in /home/me/data/a.csv, of no URL
END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9“>])")


def code(words: str) -> Markup:
    """Words with `commands` between backticks, as HTML; of a path on this machine its last part."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(FOLDERS.sub("", words)))))


def folding(words: str) -> Markup:
    """The same; what follows the first short sentences unfolds. For a block, not for a paragraph."""
    shown, rest = brief(words)
    return code(shown) + Markup("<details><summary>Details</summary>{}</details>").format(code(rest)) * bool(rest)


def brief(words: str) -> tuple[str, str]:
    """The first sentences, at least one, and the rest."""
    sentences = END.split(words)
    some = 1
    while some < min(SENTENCES, len(sentences)) and len(" ".join(sentences[: some + 1])) <= LETTERS:
        some += 1
    return " ".join(sentences[:some]), " ".join(sentences[some:])
