"""`make portability` finds what passes on one processor and fails on another, and says which."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.profiling.processors import PROCESSORS
from tests import portability

FOREIGN = "SSE4.2"
SOURCE = """
import os, pytest
def test_anywhere(): pass
def test_here_alone(): assert "ATEN_CPU_CAPABILITY" not in os.environ
def test_unhurried(): assert os.nice(0) == 0
@pytest.mark.skip(reason="not today")
def test_never(): assert False
"""


@pytest.fixture
def planted(tmp_path, monkeypatch) -> Path:
    """Tests of which one fails on another processor, and one at low priority."""
    monkeypatch.setattr(portability, "COMMANDS", ("platform",))  # a command that ends well
    monkeypatch.setattr(portability, "WORKERS", "0")
    for name in os.environ.keys() & PROCESSORS[FOREIGN].keys():
        monkeypatch.delenv(name)
    path = tmp_path / "test_planted.py"
    path.write_text(SOURCE)
    return path


@pytest.mark.slow  # processes that import torch
def test_what_fails_in_one_setting_alone_is_found_there_and_named(planted, capfd):
    assert portability.main([str(planted), "--only", "as it is", "--only", FOREIGN, "--only", portability.BUSY]) == 1
    here, foreign, busy = (line.split("│")[1:-1] for line in capfd.readouterr().out.splitlines()[-4:-1])
    assert [cell.strip() for cell in here] == ["as it is", here[1].strip(), "3", "0", ""]
    assert foreign[2].strip() == busy[2].strip() == "2" and foreign[3].strip() == busy[3].strip() == "1"
    assert "test_here_alone" in foreign[4] and "test_unhurried" in busy[4]
    assert here[1] == busy[1] != foreign[1]  # the kernels


@pytest.mark.slow
def test_a_command_that_fails_and_tests_that_cannot_be_run_are_failures(planted, monkeypatch):
    monkeypatch.setattr(portability, "COMMANDS", ("platform --nonsense=", "nonsense"))
    planted.write_text("nonsense(")
    tests, command = portability.examine("as it is", [str(planted)]).failed
    assert "test_planted" in tests and command == "nonsense"
    (absent,) = portability.examine("as it is", [str(planted) + "x"]).failed[:-1]
    assert absent.startswith("pytest ended with exit code")


def test_everything_numerical_is_there():
    assert all((portability.ROOT / path).exists() for path in portability.NUMERICAL)
    assert portability.rounding() == portability.rounding()
