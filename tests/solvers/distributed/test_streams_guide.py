"""docs/streams.md: its commands and examples run in order, in an empty folder, and do what the page says."""

from __future__ import annotations

import shlex

from markdown_it import MarkdownIt
from typer.testing import CliRunner

from benchmarks.runner.environment import ROOT
from datasets.own.recipe import VARIABLE
from hessbench.__main__ import app
from solvers import Status


def test_every_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "{}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names: dict = {}
    page = (ROOT / "docs" / "streams.md").read_text()
    fences = [token for token in MarkdownIt().parse(page) if token.type == "fence"]
    assert [token.info for token in fences] == ["python", "sh", "python"]
    for token in fences:
        if token.info == "python":
            exec(compile(token.content, "docs/streams.md", "exec"), names)
            continue
        for line in token.content.splitlines():
            done = CliRunner().invoke(app, shlex.split(line)[1:])
            assert done.exit_code == 0, f"{line}\n{done.output}"
    assert names["result"].status is Status.CONVERGED
    stream, counters = names["stream"], names["result"].counters
    counted = sum(counters[name] for name in ("margins", "gradients", "hessians"))
    assert stream.passes == counted + 1 and stream.bytes == stream.passes * stream.size
    assert len([*(tmp_path / "my-runs").rglob("*.parquet")]) >= 4
