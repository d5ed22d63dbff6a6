"""What asv and pytest-benchmark measured stands in the report, and what is missing names the command that makes it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from benchmarks.runner.environment import ROOT
from reports.data.asv_results import asv_results
from reports.sections.tools import commits, relative_times, tool_sections

EXAMPLES = ROOT / "tests" / "examples"


@pytest.fixture
def asv():
    return asv_results(EXAMPLES / "asv").frame.sort_values("date", kind="stable")


def test_each_commit_is_a_row_with_its_cells_by_state(asv):
    table = commits(asv)
    assert len(table) == asv["commit"].nunique() and list(table["date"]) == sorted(table["date"])
    assert table["failed"].sum() > 0 and table["n/a"].sum() > 0 and (table["ok"] > 0).all()
    assert table["time"].dropna().iloc[0] == 1.0


def test_times_are_relative_to_the_first_commit_that_has_the_cell(asv):
    times = relative_times(asv)
    newest = times[times["commit"] == times["commit"].iloc[-1]]
    for _, row in newest.iterrows():
        cell = times[(times["benchmark"] == row["benchmark"]) & (times["parameters"] == row["parameters"])]
        assert row["relative"] == row["value"] / cell["value"].iloc[0]
    mean = float(np.exp(np.log(newest["relative"]).mean()))
    assert commits(asv)["time"].iloc[-1] == pytest.approx(mean)


def test_both_tools_have_a_section_with_tables_and_a_figure(out):
    across, micro = tool_sections(EXAMPLES / "asv", EXAMPLES / "pytest-benchmark", out)
    assert "<table" in across.table and len(across.figures) == 1 and "<svg" in across.figures[0].html
    assert "<table" in micro.table and "median" in micro.table
    assert (out / "tables" / "commits.md").exists() and (out / "tables" / "micro-benchmarks.csv").exists()


def test_a_truncated_file_is_named_and_the_rest_is_shown(out, tmp_path):
    folder = shutil.copytree(EXAMPLES / "asv", tmp_path / "asv")
    results = sorted(path for path in folder.rglob("*.json") if path.name not in ("benchmarks.json", "machine.json"))
    results[0].write_text(results[0].read_text()[:50])
    across, _ = tool_sections(folder, tmp_path / "no-micro", out)
    assert results[0].name in across.note and "<table" in across.table
