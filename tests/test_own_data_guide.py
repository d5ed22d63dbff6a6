"""The guide docs/own-data.md and its notebook: every example is executed, in order, as a reader would."""

from __future__ import annotations

import ast
import json
import shlex
import sys
from types import ModuleType

import matplotlib
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from benchmarks.command.main import app as benchmarks_app
from benchmarks.runner.environment import ROOT
from datasets.__main__ import app as datasets_app
from datasets.own.recipe import VARIABLE
from reports.__main__ import app as reports_app

APPS = {"benchmarks": benchmarks_app, "datasets": datasets_app, "reports": reports_app}
NOTEBOOK = ROOT / "docs" / "first-comparison.ipynb"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty current folder, as a reader's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "{}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:target")
def test_every_example_of_the_guide_does_what_it_says(elsewhere, monkeypatch):
    monkeypatch.setitem(sys.modules, "guide", guide := ModuleType("guide"))  # where dataclasses look for their names
    said, kinds = "", []
    for token in MarkdownIt().parse((ROOT / "docs" / "own-data.md").read_text()):
        if token.type != "fence":
            continue
        kinds.append(token.info)
        if token.info == "python":
            exec(compile(token.content, "docs/own-data.md", "exec"), vars(guide))
        elif token.info == "sh":
            for line in token.content.splitlines():
                _python, _m, program, *words = shlex.split(line)
                outcome = CliRunner().invoke(APPS[program], words)
                assert outcome.exit_code == 0, f"{line}\n{outcome.output}"
                said += outcome.stderr
        else:
            assert all(line in said for line in token.content.splitlines()), said
    assert kinds.count("python") == 3 and kinds.count("sh") == 3 and kinds.count("text") == 1
    problems = pd.read_csv(elsewhere / "my-report" / "tables" / "time-to-gap.csv")
    assert {"patients", "fixed steps", "shifted"} <= {*problems["problem"], *problems["solver"]}
    assert problems["problem"].str.startswith("patients-logistic-").any()


def test_the_notebook_goes_from_data_to_a_figure_in_five_lines(elsewhere):
    """Its cells are executed as they stand; the last expression is what a notebook would show."""
    matplotlib.use("agg")
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)
    names: dict[str, object] = {}
    for cell in cells:
        exec(compile("".join(cell["source"]), NOTEBOOK.name, "exec"), names)
    statements = [line for line in cells[1]["source"] if line.strip()]
    assert len(statements) <= 5
    labels = {line.get_label() for line in names["axes"].get_lines()}
    assert labels == {"newton-cholesky", "lbfgs", "scikit-learn:lbfgs"}
    shown = eval("".join(cells[-1]["source"]), names)
    assert (shown["gap"] < 1e-6).all() and isinstance(ast.parse(cells[-1]["source"][0]).body[0], ast.Expr)
