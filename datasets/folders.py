"""Where the code is, and where results go: the checkout, or for an installed package the user's data folder."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = __name__.rpartition("datasets")[0]  # "hessbench." as installed from a wheel, "" in a checkout
ROOT = Path(__file__).resolve().parent.parent  # of the checkout; as installed, the folder of the package hessbench
IMPORTED_FROM = ROOT.parent if PACKAGE else ROOT  # the folder on sys.path


def _home() -> Path:
    """The home folder; the current one for a user without an entry in the password database, as in a container."""
    try:
        return Path.home()
    except RuntimeError:
        return Path.cwd()


def _results() -> Path:
    if not PACKAGE:
        return ROOT / "reports"
    return Path(os.environ.get("XDG_DATA_HOME") or _home() / ".local" / "share") / "hessbench"


RESULTS = _results()  # holds runs/, peers/, profiles/, honesty/ and latest/
TOOLS = Path() if PACKAGE else ROOT  # holds the folders .asv and .benchmarks


def shown(path: Path) -> str:
    """A default path, short enough for a help text: below the checkout, or below ~."""
    for base, prefix in ((ROOT, ""), (_home(), "~/")):
        if path.is_relative_to(base):
            return f"{prefix}{path.relative_to(base).as_posix()}"
    return str(path)
