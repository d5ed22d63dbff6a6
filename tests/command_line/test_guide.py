"""The commands of docs/command-line.md, each executed as it is written there."""

from __future__ import annotations

import json
import re
import shlex

import pytest
import typer
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from datasets.folders import ROOT
from hessbench.__main__ import app

GUIDE = (ROOT / "docs" / "command-line.md").read_text()
# Whether times scatter too much to be predicted is for the machine to decide; tests/reports has made-up ones.
RECOMMEND = "hessbench report recommend "


def test_the_guide_names_every_verb():
    found = typer.main.get_command(app)
    verbs = {*found.commands} - {"report", "data"}
    for group in ("report", "data"):
        verbs |= {*found.commands[group].commands}
    table = "".join(line for line in GUIDE.splitlines() if "| `python -m " in line or "python -m benchmarks" in line)
    assert verbs <= {word.split()[-1] for word in re.findall(r"`([\w ]+)`", table)}


@pytest.mark.slow
def test_every_command_works_and_json_is_all_that_is_on_stdout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fences = [token for token in MarkdownIt().parse(GUIDE) if token.type == "fence"]
    assert fences and all(fence.info == "sh" for fence in fences)
    lines = "".join(fence.content for fence in fences).replace("\\\n", " ").splitlines()
    asked_for_json = 0
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "hessbench"
        outcome = CliRunner().invoke(app, words)
        if line.startswith(RECOMMEND) and outcome.exit_code == 2:
            assert outcome.stdout == "" and len(outcome.stderr.splitlines()) == 1
            continue
        assert outcome.exit_code == 0, (line, outcome.output)
        if "--json" in words:
            asked_for_json += 1
            assert json.loads(outcome.stdout)
    assert RECOMMEND in GUIDE and asked_for_json >= 2
