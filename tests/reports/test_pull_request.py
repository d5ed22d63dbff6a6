"""The comment on a pull request: what it says, that GitHub takes it, and that its workflow has real options."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import typer
from asv.commands import make_argparser
from typer.testing import CliRunner

from benchmarks.command.main import app as benchmarks
from datasets.folders import ROOT
from reports.__main__ import app
from reports.comparing.comment import LIMIT, ROWS, comment
from reports.comparing.regressions import regressions
from reports.data.measurements import tidy
from tests.pages import DOCS, blocks
from tests.reports.test_regressions import EXAMPLE, commit, counted, noisy, timed

BASE, HEAD = commit(0), commit(1)


def planted(*levels: float, benchmarks: int = 12) -> str:
    """The comment where some benchmarks take so many times as long at the head, and the others as long as before."""
    series = np.ones((benchmarks, 2))
    series[: len(levels), 1] = levels
    return comment(regressions(noisy(0, levels=series, between=0.0, within=0.003)), HEAD)


def table(text: str) -> list[list[str]]:
    """The cells of all rows below a heading; an escaped | parts none."""
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith(("|  |", "| ---"))]
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]


# --- what it says


def test_the_first_line_counts_and_the_worst_comes_first():
    text = planted(1.5, 0.5, 3.0)
    assert text.splitlines()[0].startswith("### Benchmarks: 2 of 12 comparisons became worse and 1 better")
    rows = table(text.split("<details>")[0])
    assert [(row[0].strip(), row[1].strip()) for row in rows] == [
        *(("worse", "`b02`"), ("worse", "`b00`")),
        ("better", "`b01`"),
    ]
    assert re.match(r" (2\.9|3(\.\d+)?)\d* \[", rows[0][6])
    assert f"`{HEAD}` against `{BASE}`; 12 comparisons" in text and "more than 5 %" in text


@pytest.mark.parametrize(("levels", "words"), [((), "none of 12"), ((0.5,), "1 of 12 comparisons became better, none")])
def test_without_anything_worse_it_says_so(levels, words):
    text = planted(*levels)
    assert words in text.splitlines()[0] and len(table(text)) == len(levels)


def test_at_most_ten_changes_are_above_the_fold_and_the_undecided_are_in_it():
    levels = np.ones((16, 2))
    levels[:13, 1] = np.linspace(2, 2.01, 13)
    few = timed(0, np.full(3, 1e-3), benchmark="few") + timed(1, np.full(3, 2e-3), benchmark="few")
    frame = tidy([*noisy(0, levels=levels, between=0.0, within=0.003).to_dict("records"), *few])
    above, fold = comment(regressions(frame), HEAD).split("<details>")
    assert len(table(above)) == ROWS and "; 1 is undecided" in above
    assert "<summary>3 more changes and 1 undecided</summary>" in fold and fold.endswith("</details>\n")
    assert len(table(fold)) == 4 and "`few`" in fold and "fewer than 6 samples" in fold


def test_only_the_newest_commit_is_spoken_of():
    frame = tidy(counted([7, 9, 9]))
    assert "became worse" in comment(regressions(frame), commit(1))
    text = comment(regressions(frame), commit(2))  # the step is the same, the drift is not
    assert text.startswith("### Benchmarks: 1 of 2 comparisons became worse") and f"`{commit(0)}`" in text
    assert "nothing to compare" in comment(regressions(frame), commit(3))


def test_a_cell_that_has_no_value_any_more_is_worse():
    gone = timed(1, np.ones(9), status="failed")
    (row,) = table(comment(regressions(tidy([*timed(0, np.ones(9)), *gone])), HEAD))
    assert row[0].strip() == "worse" and row[6].strip() == "-" and "now fails" in row[7]


# --- what GitHub takes


def test_a_name_can_neither_break_the_table_nor_mention_a_person():
    rows = [row for k in (0, 1) for row in counted([7, 9], benchmark="a|b`c\nd", parameters="x=@someone|<b>")]
    (cells,) = table(comment(regressions(tidy(rows[:2])), HEAD))
    assert len(cells) == 8 and cells[1].strip() == r"`a\|b'c d (x=@someone\|<b>)`"  # code: nobody is called


@pytest.mark.parametrize(("count", "size"), [(100, 30), (600, 30), (600, 3000)])
def test_a_comment_is_never_too_long(count, size):
    rows = [row for b in range(count) for row in counted([7, 9], benchmark=f"b{b}", parameters="é" * size)]
    text = comment(regressions(tidy(rows)), HEAD)
    assert len(text.encode()) < LIMIT and text.endswith("</details>\n")
    missing = re.search(r"(\d+) more rows did not fit", text)
    assert len(table(text)) + (int(missing[1]) if missing else 0) == count and bool(missing) == (count == 600)


# --- the verb


def test_the_verb_prints_it_and_writes_it_without_a_path_of_this_machine(tmp_path):
    call = ["regressions", "--asv", str(EXAMPLE), "--threshold", "0.02", "--github"]
    printed = CliRunner().invoke(app, call).stdout
    assert printed.startswith("### Benchmarks: 1 of 11") and str(ROOT) not in printed and "left out" not in printed
    for out, file in ((tmp_path / "a" / "c.md", tmp_path / "a" / "c.md"), (tmp_path / "b", tmp_path / "b/comment.md")):
        assert CliRunner().invoke(app, [*call, "--out", str(out)]).stdout == printed == file.read_text()
    assert (tmp_path / "b" / "regressions.csv").exists() and len(list((tmp_path / "a").iterdir())) == 1


# --- the workflow of docs/pull-requests.md


def commands(text: str) -> list[list[str]]:
    """The words of each line that a workflow runs, up to a redirection."""
    yaml = pytest.importorskip("yaml")
    (job,) = yaml.safe_load(text)["jobs"].values()
    lines = [line for step in job["steps"] for line in step.get("run", "").splitlines()]
    return [shlex.split(re.split(r" >>? ", line)[0]) for line in lines]


@cache
def pytest_help() -> str:
    call = [sys.executable, "-m", "pytest", "--help", "-p", "no:cacheprovider"]
    return subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def misused(command: list[str]) -> str:
    """Why a command cannot be called so; empty where it can, or is not ours to know."""
    if command[:2] == ["python", "-m"]:
        known = typer.main.get_command({"reports": app, "benchmarks": benchmarks}[command[2]]).commands
        if command[3] not in known:
            return f"no verb {command[3]}"
        there = {name for option in known[command[3]].params for name in option.opts}
        return ", ".join(word for word in command[4:] if word.startswith("-") and word not in there)
    if command[0] == "asv":
        try:
            make_argparser()[0].parse_args(command[1:])
        except SystemExit:
            return "asv refuses it"
    if command[0] == "pytest":
        names = {word.split("=")[0] for word in command[1:]}
        return ", ".join(sorted(name for name in names if not re.search(rf"{name}\b(?!-)", pytest_help())))
    return ""


def test_every_command_of_the_workflow_has_the_verbs_and_options_that_it_names():
    (workflow,) = (block.text for block in blocks((DOCS / "pull-requests.md").read_text()) if block.language == "yaml")
    found = commands(workflow)
    assert {"asv", "pytest", "python"} <= {command[0] for command in found}
    assert not [(command, why) for command in found if (why := misused(command))]
    assert any("--github" in command for command in found)
    assert any("--interleave-rounds" in command for command in found)


@pytest.mark.parametrize(
    "command",
    [
        *("python -m reports regression", "python -m reports regressions --gitlab", "asv run --interleave-round-s"),
        *("asv runs", "pytest --benchmark-onl", "pytest --benchmark-compare-fails=median:25%"),
    ],
)
def test_a_command_that_does_not_exist_is_found(command):
    assert misused(command.split())
