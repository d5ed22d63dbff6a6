"""docs/batches.md: every example runs, in the order of the page, and does what the page says of it."""

from __future__ import annotations

from markdown_it import MarkdownIt

from benchmarks.runner.environment import ROOT
from solvers import SOLVERS, Status
from solvers.batches.methods import METHODS

PAGE = (ROOT / "docs" / "batches.md").read_text()


def test_every_example_runs():
    examples = [token.content for token in MarkdownIt().parse(PAGE) if token.type == "fence"]
    assert len(examples) == 4
    names: dict = {}
    for example in examples:
        exec(compile(example, "docs/batches.md", "exec"), names)
    assert set(names["result"].status) == {Status.CONVERGED} and names["path"].converged
    assert names["chosen"].best in names["l2s"] and names["chosen"].scores.shape == (5, 20)


def test_the_page_names_the_solvers_that_have_a_batched_form():
    named = {name for name, solver in SOLVERS.items() if type(solver) in METHODS}
    assert named == {"newton-cholesky", "newton-levenberg", "gradient-descent", "gradient-descent-armijo"}
    assert all(f"`{name}`" in PAGE for name in named)
