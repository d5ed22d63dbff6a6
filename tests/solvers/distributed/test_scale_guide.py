"""docs/scale.md: its commands and its programs run, in an empty folder."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[3]
FENCES = [token for token in MarkdownIt().parse((ROOT / "docs" / "scale.md").read_text()) if token.type == "fence"]
PROGRAMS = [fence.content for fence in FENCES if fence.info == "python"]
COMMANDS = [line for fence in FENCES if fence.info == "sh" for line in fence.content.splitlines()]


def execute(command, folder):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100)


def torchrun(arguments, folder):
    return execute([sys.executable, "-m", "torch.distributed.run", *arguments], folder)


def test_the_page_has_what_is_run_here():
    assert len(PROGRAMS) == 2 and len(COMMANDS) == 2


@pytest.mark.slow
def test_its_command_measures(tmp_path):
    program, *arguments = shlex.split(COMMANDS[0])
    assert program == "torchrun"
    done = torchrun(arguments, tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "my-runs").glob("*.parquet"))) == 4


@pytest.mark.slow
def test_its_command_that_measures_scaling_stores_a_session(tmp_path):
    program, *arguments = shlex.split(COMMANDS[1])
    assert program == "python"
    done = execute([sys.executable, *arguments], tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "my-scale").glob("*.parquet"))) == 1


@pytest.mark.slow
def test_its_program_over_two_processes_converges(tmp_path):
    (tmp_path / "fit.py").write_text(PROGRAMS[0])
    done = torchrun(["--nproc-per-node", "2", "fit.py"], tmp_path)
    assert done.returncode == 0, done.stderr
    status, _, rows, _ = done.stdout.split()
    assert (status, rows) == ("converged", "1000")


def test_its_program_with_a_checkpoint_converges(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(PROGRAMS[1], "docs/scale.md", "exec"), names)
    assert names["result"].status == "converged"
    assert not list(tmp_path.iterdir())
