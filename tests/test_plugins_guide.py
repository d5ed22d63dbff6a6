"""The guide docs/plugins.md, followed in an empty folder outside of the checkout."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.runner.environment import ROOT
from tests.test_extending import DRIVER, blocks

pytestmark = pytest.mark.slow
GUIDE = ROOT / "docs" / "plugins.md"


@pytest.fixture(scope="module")
def followed(tmp_path_factory) -> tuple[Path, dict[str, tuple[int, str]]]:
    """The folder, and of each command its exit status and what it printed. Python without a file name is run, too."""
    folder, batches = tmp_path_factory.mktemp("elsewhere"), [[]]
    for block in blocks(GUIDE.read_text()):
        if block.language == "python" and block.path:
            (folder / block.path).write_text(block.text)
        elif block.language == "python":
            batches[-1].append(["-c", block.text])
        elif block.language == "toml":
            batches.append([])
            info = folder / "installed" / "my_package-1.5.dist-info"
            info.mkdir(parents=True)
            (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.5\n")
            for group, made in tomllib.loads(block.text)["project"]["entry-points"].items():
                lines = [f"[{group}]", *(f"{name} = {value}" for name, value in made.items())]
                (info / "entry_points.txt").write_text("\n".join(lines))
        else:
            assert block.language == "sh", block.language
            for line in block.text.splitlines():
                words = shlex.split(line)
                assert words.pop(0) == "python"
                batches[-1].append(words)
    answers = {}
    for number, commands in enumerate(batches):  # the package is found by new processes alone
        path = [str(ROOT), *([str(folder), str(folder / "installed")] if number else [])]
        env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(path), "COLUMNS": "200"}
        env |= {"XDG_CACHE_HOME": str(folder / "cache")}
        pipes = {"input": json.dumps(commands), "capture_output": True, "text": True}
        ran = subprocess.run([sys.executable, "-c", DRIVER], cwd=folder, env=env, **pipes)
        assert ran.returncode == 0, ran.stderr
        answers |= {
            f"{number} " + " ".join(words): tuple(answer)
            for words, answer in zip(commands, json.loads(ran.stdout), strict=True)
        }
    return folder, answers


def said(answers, *words: str) -> str:
    (found,) = [text for command, (_, text) in answers.items() if all(word in command for word in words)]
    return found


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with open(folder / "my-report" / "tables" / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_every_command_of_the_guide_succeeds(followed):
    wanted = {command: int("benchmarks check" in command) for command in followed[1]}  # slow-adam does not pass all
    failed = {command: text for command, (code, text) in followed[1].items() if code != wanted[command]}
    assert not failed, "\n".join(f"{command}\n{text}" for command, text in failed.items())


def test_what_the_file_holds_is_listed_with_its_name_and_so_is_the_package(followed):
    first, second = said(followed[1], "0 ", "benchmarks list"), said(followed[1], "1 ", "benchmarks list")
    assert re.search(r"heavy-ball +│ x\+ = x - rate g.*\(plug-in my_solver.py [0-9a-f]{16}\)", first)
    assert re.search(r"two-clouds +│ Two clouds of 100 points.*plug-in my_solver.py", first)
    assert "ball-of-package" not in first and "heavy-ball" not in second
    assert re.search(r"ball-of-package +│ .*\(plug-in my-package 1.5\)", second)


def test_runs_are_stored_with_the_version_verified_and_shown(followed):
    folder, answers = followed
    rows = [row for path in (folder / "my-runs").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    mine = [row for row in rows if row["solver"] == "heavy-ball"]
    assert {row["problem"] for row in mine} == {"two-clouds", "iris", "breast-cancer-l2"}
    assert all(re.fullmatch(r"my_solver.py [0-9a-f]{16}", row["solver_plugin"]) for row in mine)
    assert {bool(row["problem_plugin"]) for row in rows if row["problem"] == "two-clouds"} == {True}
    assert {row["solver_plugin"] for row in rows if row["solver"] == "newton"} == {""}
    assert re.search(r"[1-9]\d* runs are the same bit for bit, 0 differ, 0", said(answers, "benchmarks verify"))
    ends = {(row["problem"], row["solver"]): row["status"] for row in table(folder, "summary")}
    assert ends["two-clouds", "heavy-ball"] == "converged" == ends["two-clouds", "newton"]
    assert ends["breast-cancer-l2", "Adam lr=0.01"] == "iteration limit"  # no claim of its own
    assert "two-clouds" in {row["problem"] for row in table(folder, "problems")}
    for name in ("time-to-gap", "iteration-cost"):
        assert {"heavy-ball", "Adam lr=0.01"} <= {row["solver"] for row in table(folder, name)}
    figure = (folder / "my-report" / "figures" / "breast-cancer-l2--gap-time.svg").read_text()
    assert ">heavy-ball<" in figure and ">Adam lr=0.01<" in figure


def test_it_is_checked_judged_and_profiled(followed):
    checked = said(followed[1], "benchmarks check")
    assert "heavy-ball: 7 of 7 checks passed" in checked and "Rprop: 7 of 7 checks passed" in checked
    assert "slow-adam: 5 of 7 checks passed" in checked  # within 1,000 iterations
    assert "heavy-ball" in said(followed[1], "benchmarks honesty")
    assert "heavy-ball on two-clouds (140 rows, 2 coefficients)" in said(followed[1], "profile", "heavy-ball")
    assert "LBFGS" in said(followed[1], "profile", "LBFGS")
