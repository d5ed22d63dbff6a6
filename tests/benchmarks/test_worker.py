"""A worker answers within its limits, ends with its parent, and is not blamed for an earlier question."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.runner.environment import ROOT
from benchmarks.runner.worker import DiedError, LostError, StartError, Worker
from tests.hanging import fail_to_start, obey


@pytest.fixture
def worker():
    with Worker(obey) as worker:
        yield worker


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_process_that_hangs_is_ended_and_the_next_question_answered(worker):
    first = worker.ask("pid", seconds=60)
    assert first == worker.ask("pid", seconds=60) != os.getpid()
    with pytest.raises(LostError, match=r"no end within 0\.2 s: its process was ended"):
        worker.ask("hang", seconds=0.2)
    assert not alive(first) and worker.ask("again", seconds=60) == "again"


def test_the_process_ends_with_the_context():
    with Worker(obey) as worker:
        pid = worker.ask("pid", seconds=60)
    assert not alive(pid)


def test_a_process_that_dies_is_named_with_its_exit_status(worker):
    assert worker.ask("first", seconds=60) == "first"
    with pytest.raises(DiedError, match="its process was ended by exit status 3"):
        worker.ask("die", seconds=60)
    assert worker.ask("again", seconds=60) == "again"


def test_a_process_that_cannot_start_is_an_error_of_its_own_with_the_reason():
    with Worker(obey, fail_to_start) as worker, pytest.raises(StartError, match="no such library"):
        worker.ask("first", seconds=60)


@pytest.mark.parametrize("pause", [0.0, 1.0])
def test_a_process_that_dies_after_its_answer_is_not_blamed_on_the_next_question(worker, pause):
    """It dies before the next question is asked, or while that is being answered."""
    assert worker.ask("die later", seconds=60) == "die later"
    time.sleep(pause)
    if pause:
        assert worker.ask("next", seconds=60) == "next"
    else:
        with pytest.raises(LostError, match="no end within 1 s"):  # of a new process, which hangs as it is told to
            worker.ask("hang", seconds=1)


def test_a_worker_ends_with_a_parent_that_is_killed_in_the_middle_of_a_question(tmp_path):
    call = f"from tests.hanging import wait_forever; wait_forever({str(tmp_path)!r})"
    parent = subprocess.Popen([sys.executable, "-c", call], cwd=ROOT)
    end = time.monotonic() + 60
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    pid = int((tmp_path / "pid").read_text())
    assert alive(pid)
    parent.kill()
    parent.wait()
    end = time.monotonic() + 30
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(pid)


def test_variables_that_are_set_after_the_fork_server_started_reach_a_new_process(monkeypatch):
    with Worker(os.getenv) as first:
        assert first.ask("HESSBENCH_PLANTED", seconds=60) is None
    monkeypatch.setenv("HESSBENCH_PLANTED", "there")
    with Worker(os.getenv) as second:
        assert second.ask("HESSBENCH_PLANTED", seconds=60) == "there"
