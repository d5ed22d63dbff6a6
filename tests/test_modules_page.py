"""docs/modules.md: every example runs, in the order of the page, and does what the page says of it."""

from __future__ import annotations

import pytest
import torch
from markdown_it import MarkdownIt

from benchmarks.runner.environment import ROOT
from datasets import PROBLEMS
from solvers import Status
from solvers.objectives.module.losses import CONVEX_FUNCTIONS

PAGE = (ROOT / "docs" / "modules.md").read_text()


@pytest.fixture
def no_own_problem():
    yield
    PROBLEMS.pop("small-network", None)


def test_every_example_runs(no_own_problem):
    examples = [token.content for token in MarkdownIt().parse(PAGE) if token.type == "fence"]
    assert len(examples) == 5
    names: dict = {}
    ends = []
    for example in examples:
        exec(compile(example, "docs/modules.md", "exec"), names)
        ends.append(names["result"])
    assert ends[0].status is Status.CONVERGED and ends[-1].status is Status.CONVERGED
    assert torch.equal(names["model"][2].bias, ends[0].parameters["2.bias"])
    points, centre = names["points"], ends[-1].parameters["centre"]
    assert torch.allclose(centre, points.mean(0), atol=1e-6)
    last = names["rows"][-1]
    assert last["status"] == "converged" and last["test_loss"] > 0 and last["train_accuracy"] != last["train_accuracy"]


def test_the_page_names_the_losses_that_are_known():
    assert all(f"`{loss.__name__}`" in PAGE for loss in CONVEX_FUNCTIONS)
