"""The scoreboard in the report: tables, a figure, where the numbers are from, and what was left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from benchmarks.scoreboard import scores
from benchmarks.scoreboard.timing import MISSING, REACHED
from reports.figures.scoreboard import draw
from reports.sections.scoreboard import names, scoreboard_sections
from reports.tables.scoreboard import best_peers, contenders, limits


def entry(seconds, **more) -> dict:
    best = {"layout": "dense", "dtype": "float32", "tolerance": 1e-4, "gap": 3e-8, "iterations": 5}
    return {"status": REACHED, "message": "", "best": best, "seconds": seconds} | more


def result(problem: str, factor: float, **more) -> dict:
    ours = [1e-3 * (1 + 0.01 * k) for k in range(7)]
    entries = {
        "hessbench:newton-cholesky": entry(ours),
        "scikit-learn:lbfgs": entry([factor * second for second in ours]),
        "glum:irls-ls": entry([3 * factor * second for second in ours]),
        "snapml:logistic": entry([], status=MISSING, message="Snap ML <is> not installed", best=None),
    }
    common = {"schema": scores.SCHEMA, "problem": problem, "n": 398, "d": 30, "density": 1.0, "threads": 1}
    common["on_our_objective"] = []
    place = {"machine": "a CPU", "date": "2026-01-01T00:00:00+00:00", "commit": "abc", "packages": {"glum": "3.4.1"}}
    return common | place | {"target": 1e-6, "entries": entries} | more


LIMITS = {
    "seconds": 2e-3,
    "instrumented": 2.5e-3,
    "bounds": {"latency": 5e-4, "bandwidth": 2e-4, "compute": 1e-3, "synchronisation": 0.0},
    "phases": {"hessian": 1.5e-3, "other": 1e-3},
    "operations": 321,
    "verdict": "compute",
}


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "peers"
    folder.mkdir()
    for name, factor in (("small", 2.0), ("large", 0.5)):
        (folder / f"{name}.json").write_text(json.dumps(result(name, factor)))
    return folder


def test_the_best_peer_of_each_problem_has_a_ratio_and_a_verdict():
    table = best_peers([result("small", 2.0), result("large", 0.5)]).set_index("problem")
    assert list(table["best peer"][:2]) == ["scikit-learn:lbfgs"] * 2
    assert list(table["faster"]) == ["ours", "the peer", ""]
    assert table.loc["small", "ratio"] == "2 [2, 2]" and table.loc["geometric mean", "ratio"] == "1"


def test_every_contender_is_a_row_and_a_missing_one_says_so():
    table = contenders([result("small", 2.0)])
    assert list(table["theirs / ours"]) == ["1 [1, 1]", "2 [2, 2]", "6 [6, 6]", "-"]
    assert "not installed" in table["setting"].iloc[-1] and table["time"].iloc[-1] == "-"
    assert table["gap"].iloc[0] == "3.0e-08" and "float32" in table["setting"].iloc[0]


def test_the_figure_has_one_dot_a_peer_at_its_ratio():
    axes = Figure().add_subplot()
    draw([result("small", 2.0), result("large", 0.5)], axes)
    dots = {(line.get_label(), float(line.get_xdata()[0])) for line in axes.lines if line.get_linestyle() == "None"}
    assert dots == {
        (name, ratio)
        for name, ratios in (("scikit-learn:lbfgs", (2.0, 0.5)), ("glum:irls-ls", (6.0, 1.5)))
        for ratio in ratios
    }
    assert axes.get_xscale() == "log"


def test_a_section_has_tables_a_figure_and_where_the_numbers_are_from(folder, out):
    (section,) = scoreboard_sections(folder, out)
    assert section.table.count("<table") == 4 and len(section.figures) == 1 and not section.note
    assert all(word in section.caption for word in ("a CPU", "1 thread", "2026-01-01", "commit abc", "glum 3.4.1"))
    assert "&lt;is&gt;" in section.table and "<is>" not in section.table
    names = {path.name for part in ("tables", "figures") for path in (out / part).iterdir()}
    assert {"scoreboard.csv", "scoreboard.md", "scoreboard-contenders.tex", "scoreboard.svg"} <= names


def test_what_bounds_ours_is_a_share_of_its_own_time(folder, out):
    bounded = result("small", 2.0, limits=LIMITS)
    (row,) = limits([bounded, result("old", 2.0), result("none of ours", 2.0, limits=None)]).to_dict("records")
    assert row["problem"] == "small" and row["ours"] == "hessbench:newton-cholesky" and row["run"] == "2.00 ms"
    assert (row["arithmetic"], row["memory"], row["operations"]) == ("50%", "10%", "321: 25%")
    assert row["longest phase"] == "hessian: 60%"
    (folder / "small.json").write_text(json.dumps(bounded))
    (section,) = scoreboard_sections(folder, out)
    assert section.table.count("<table") == 5 and "hessian: 60%" in section.table
    assert "321: 25%" in (out / "tables" / "scoreboard-limits.md").read_text()


def test_machines_and_thread_counts_have_sections_of_their_own(folder, out):
    (folder / "two.json").write_text(json.dumps(result("small", 2.0, threads=2)))
    sections = scoreboard_sections(folder, out)
    assert [section.title[-9:] for section in sections] == [" 1 thread", "2 threads"]
    assert [section.name for section in sections] == ["scoreboard", "scoreboard-2-threads"]
    assert (out / "tables" / "scoreboard-2-threads-over-all.md").exists()
    cells = [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert len(set(names(cells))) == 4 and names(cells[2:]) == ["scoreboard", "scoreboard-2-threads"]


def test_old_and_foreign_files_are_named_and_skipped(folder, out):
    (folder / "foreign.json").write_text('["what", "is", "this"]')
    (folder / "old.json").write_text(json.dumps(result("small", 2.0, schema=0)))
    (folder / "cut.json").write_text(json.dumps(result("small", 2.0))[:99])
    (section,) = scoreboard_sections(folder, out)
    assert all(name in section.note for name in ("foreign.json", "old.json", "cut.json")) and section.table
