from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def out(tmp_path) -> Path:
    """The folder of a report, into which sections write."""
    for name in ("tables", "figures"):
        (tmp_path / "out" / name).mkdir(parents=True)
    return tmp_path / "out"
