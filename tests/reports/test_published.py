"""What is published is what was built, and the README says the same; a failure to publish changes nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmarks.audit.cases import cases
from benchmarks.audit.judge import Answer, Judge, row
from benchmarks.audit.verdicts import Verdicts
from benchmarks.runner.environment import ROOT, now
from benchmarks.runner.suites import SUITES
from datasets import DataError
from reports.data.runs import Runs
from reports.publish import FIGURES, STATED, STORED, TABLES, disagreements, publish, quoted, quotes, read_table, stated
from tests.reports.test_scoreboard import LIMITS, result

PUBLISHED, README = ROOT / "reports" / "published", ROOT / "README.md"
NUMBER = re.compile(r"\d+(?:\.\d+)? (?:ms|us|times|%|runs)|fold\b")


def test_the_readme_says_what_the_published_tables_say():
    assert disagreements(README.read_text(), PUBLISHED) == []


def test_a_number_changed_by_hand_is_found_in_the_readme_and_in_the_tables(tmp_path):
    text = README.read_text()
    time = re.search(r"[\d.]+ (?:us|ms|s) \[", quotes(PUBLISHED)["summary"])[0]
    assert disagreements(text.replace(time, "0.01 ms [", 1), PUBLISHED) == ["summary"]
    for path in PUBLISHED.glob("*.md"):
        (tmp_path / path.name).write_text(path.read_text().replace(time, "0.01 ms ["))
    assert "summary" in disagreements(text, tmp_path)
    assert "missing.svg" in disagreements(f"{text}\n![x](reports/published/missing.svg)", PUBLISHED)


def test_outside_of_the_marks_the_readme_states_no_measured_number():
    text = re.sub(r"<!-- published: .*?<!-- end -->|```.*?```", "", README.read_text(), flags=re.DOTALL)
    assert not NUMBER.findall(text)


def test_the_published_folder_holds_what_is_stated_and_names_its_suites_and_runs():
    expected = {f"{name}.md" for name in TABLES} | {*FIGURES, "README.md"}
    found = {path.name for path in PUBLISHED.iterdir()}
    asked = {name for names in STORED.values() for name in names} & found
    assert found == expected | asked
    words = (PUBLISHED / "README.md").read_text()
    assert all(f"({name})" in words for name in asked)
    assert all(f"`{suite}`" in words for suite in STATED)
    assert re.search(r"From [\d,]+ runs on .+; \d{4}-\d\d-\d\d.*; commits? \w+", words)
    assert all(f"({name})" in words for name in expected - {"README.md"})


def test_a_published_table_is_read_as_it_was_written():
    table = read_table(PUBLISHED / "summary.md")
    assert {"problem", "solver", "iterations", "status", "runs"} <= set(table) and len(table) > 10
    assert set(table["status"]) <= {"converged", "iteration limit", "stalled", "diverged"}


# --- publishing


def runs_of(suites: tuple[str, ...]) -> Runs:
    """A frame with the cases of the suites, as far as choosing them looks at it."""
    rows = [
        {
            **{"machine": "m", "problem": case.problem, "solver": case.solver, "label": f"{case.label} (rules)"},
            **{"plain_label": case.label, "dtype": case.dtype, "device": "cpu", "threads": 1, "rules": case.rules},
            **{"case": case.key, "run": f"{case.key}-{suite}"},
        }
        for suite in suites
        for case in SUITES[suite]()
    ]
    return Runs(pd.DataFrame(rows), {})


def test_only_the_stated_suites_are_published_and_under_their_own_labels():
    mixed = runs_of((*STATED, "quick"))
    chosen = stated(mixed).frame
    assert set(chosen["case"]) == {case.key for suite in STATED for case in SUITES[suite]()} < set(mixed.frame["case"])
    assert not chosen["label"].str.contains("rules").any()


@pytest.mark.parametrize("runs", [Runs(pd.DataFrame(), {}), runs_of(STATED[1:])], ids=["none", "one suite"])
def test_runs_that_are_missing_are_named_by_the_command_that_makes_them(runs):
    with pytest.raises(ValueError, match=f"python -m benchmarks run --suite {STATED[0]}"):
        stated(runs)


@pytest.fixture
def place(tmp_path) -> tuple[Path, Path]:
    """A published folder and a README that quotes it."""
    folder, readme = tmp_path / "published", tmp_path / "README.md"
    folder.mkdir()
    (folder / "old.md").write_text("old")
    marks = "\n".join(f"<!-- published: {name} -->\n<!-- end -->" for name in ("findings", "summary"))
    readme.write_text(f"before\n{marks}\nafter")
    return folder, readme


def fake_build(runs: Runs, out: Path, progress: object) -> None:
    """A report that is the published reference."""
    for folder, names in (("tables", [f"{name}.md" for name in TABLES]), ("figures", FIGURES)):
        (out / folder).mkdir(parents=True)
        for name in names:
            (out / folder / name).write_bytes((PUBLISHED / name).read_bytes())


@pytest.fixture
def pretended(monkeypatch) -> Runs:
    monkeypatch.setattr("reports.publish.build", fake_build)
    monkeypatch.setattr("reports.publish.MNISTTwoView", lambda download: None)
    monkeypatch.setattr("reports.publish.contents", lambda runs, found: f"contents, {len(found)} files")
    return runs_of(STATED)


def test_publishing_replaces_the_folder_and_what_the_readme_quotes(place, pretended):
    folder, readme = place
    publish(pretended, folder, readme)
    assert (
        not (folder / "old.md").exists()
        and (folder / "README.md").read_text() == f"contents, {len(TABLES) + len(FIGURES)} files"
    )
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("after") and disagreements(text, folder) == []
    publish(pretended, folder, readme)
    assert readme.read_text() == text
    assert sorted(path.name for path in folder.parent.iterdir()) == ["README.md", "published"]


def one_verdict(path: Path) -> Path:
    """A stored file of verdicts."""
    case = cases()["one-row"]
    judge, file = Judge(case, "float64"), Verdicts(path)
    for name in ("hessbench:newton-cholesky", "scipy:L-BFGS-B"):
        found = Answer("converged", torch.zeros(1, dtype=torch.float64), success=True)
        file.add(row(name, case, "float64", found, judge), "now")
    file.write()
    return path


def test_verdicts_are_published_where_they_are_stored_and_stay_where_they_are_not(place, pretended, tmp_path):
    folder, readme = place
    publish(pretended, folder, readme, verdicts=one_verdict(tmp_path / "store" / "verdicts.parquet"))
    table = read_table(folder / "hard-cases.md")
    assert set(table["contender"]) == {"hessbench:newton-cholesky", "scipy:L-BFGS-B"} and set(table["false"]) == {"1"}
    assert now()[:10] in (folder / "hard-cases.md").read_text()
    published = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert (
        "hard-cases-false.md" in published
        and published["README.md"].decode() == f"contents, {len(published) - 1} files"
    )
    publish(pretended, folder, readme, verdicts=tmp_path / "none.parquet")
    publish(pretended, folder, readme)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == published


def test_the_scoreboard_is_published_where_it_is_stored_and_stays_where_it_is_not(place, pretended, tmp_path):
    folder, readme = place
    (tmp_path / "peers").mkdir()
    for threads in (1, 2):
        stored = result("small", 2.0, limits=LIMITS, threads=threads)
        (tmp_path / "peers" / f"small-{threads}.json").write_text(json.dumps(stored))
    publish(pretended, folder, readme, peers=tmp_path / "peers")
    published = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(STORED["peers"]) <= set(published)
    assert "2026-01-01" in (folder / "scoreboard.md").read_text() and "abc" in (folder / "scoreboard.md").read_text()
    publish(pretended, folder, readme, peers=tmp_path / "none")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == published


def no_build(*arguments: object) -> None:
    raise OSError(28, "No space left on device")


def no_mnist(download: bool) -> None:
    raise DataError("no MNIST here: python -m datasets fetch mnist")


@pytest.mark.parametrize(
    ("part", "broken", "error"),
    [
        ("reports.publish.build", no_build, OSError),
        ("reports.publish.MNISTTwoView", no_mnist, DataError),
        ("reports.publish.os.replace", no_build, OSError),
        ("reports.publish.SUITES", {suite: SUITES["quick"] for suite in STATED}, ValueError),
    ],
)
def test_a_failure_leaves_the_old_reference(place, pretended, monkeypatch, part, broken, error):
    folder, readme = place
    before = readme.read_text()
    monkeypatch.setattr(part, broken)
    with pytest.raises(error):
        publish(pretended, folder, readme)
    assert readme.read_text() == before and (folder / "old.md").read_text() == "old"
    assert len(list(folder.iterdir())) == 1 and len(list(folder.parent.iterdir())) == 2


def test_a_readme_without_its_marks_is_not_published(place, pretended):
    folder, readme = place
    readme.write_text("no marks")
    with pytest.raises(ValueError, match="published: findings"):
        publish(pretended, folder, readme)
    assert (folder / "old.md").exists()


def test_a_mark_that_stands_twice_is_no_mark():
    twice = README.read_text() * 2
    with pytest.raises(ValueError, match="2 times"):
        quoted(twice, PUBLISHED)
