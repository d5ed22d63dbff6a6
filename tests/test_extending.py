"""The guide docs/extending.md, followed to the letter in a copy of the repository: what it promises is there."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.runner.environment import ROOT
from tests.pages import follow

pytestmark = pytest.mark.slow
GUIDE = ROOT / "docs" / "extending.md"
SOLVER, BESIDE = "nonlinear-cg", "newton"  # the guide's, and one that is there, with which it is compared
PROBLEMS = {"breast-cancer-l2", "iris", "diabetes"}  # with a gap
FOREIGN, PEER = "diabetes-probit", "scipy:root-krylov"

REACH = f"""
import json
from benchmarks.runner.suites import SUITES
from benchmarks.audit import judge
from benchmarks.scoreboard import contenders
from reports.figures import style
name = "{SOLVER}"
print(json.dumps({{
    "suites": [suite for suite, cases in SUITES.items() if name in {{case.solver for case in cases()}}],
    "contenders": [f"hessbench:{{name}}" in registry for registry in (judge.CONTENDERS, contenders.CONTENDERS)],
    "look": style.look(name),
    "looks": [style.look(other) for other in style.SOLVERS if other != name],
}}))
"""
OWN = f"```sh\npython -m benchmarks list\n```\n\n```python\n{REACH}```\n"  # asked beside the guide's


@dataclass(frozen=True)
class Followed:
    """The copy, and what each command printed; the last asks what is registered where."""

    folder: Path
    output: list[str]  # each begins with its command

    def said(self, *words: str) -> str:
        return [text for text in self.output if all(word in text.splitlines()[0] for word in words)][-1]

    def table(self, name: str) -> list[dict[str, str]]:
        with open(self.folder / "my-report" / "tables" / f"{name}.csv", newline="") as file:
            return list(csv.DictReader(file))

    @property
    def page(self) -> str:
        return (self.folder / "my-report" / "index.html").read_text()


@pytest.fixture(scope="module")
def followed(tmp_path_factory) -> Followed:
    folder = tmp_path_factory.mktemp("copy")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    page = tmp_path_factory.mktemp("page") / "extending.md"
    page.write_text(f"{GUIDE.read_text()}\n{OWN}")
    return Followed(folder, ("\n" + follow(page, folder, root=folder)).split("\n$ ")[1:])


def test_the_tests_that_the_guide_asks_for_pass(followed):
    tests = [said for said in followed.output if said.startswith("python -m pytest")]
    assert len(tests) == 3 and all(re.search(r"[1-9]\d* passed", said) for said in tests)


def test_what_the_guide_writes_is_in_the_style_of_the_house(followed):
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "."], cwd=followed.folder, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


# --- a solver


def test_the_solver_has_as_many_rows_as_another_in_every_table(followed):
    compared = set()
    for path in (followed.folder / "my-report" / "tables").glob("*.csv"):
        rows = followed.table(path.stem)
        if rows and "solver" in rows[0]:
            new, known = ([row for row in rows if row["solver"] == name] for name in (SOLVER, BESIDE))
            assert len(new) == len(known), path.name
            assert (f"before {SOLVER}" in rows[0]) == (f"before {BESIDE}" in rows[0])
            if known:
                compared.add(path.stem)
    assert compared >= {
        *("summary", "honesty", "time-to-gap", "time-to-accuracy", "precision", "iteration-cost", "evaluations"),
        *("solver-scores", "pairwise", "targets-gap", "targets-accuracy"),
    }


def test_the_solver_is_in_every_figure_that_names_another(followed):
    figures = {path.stem: path.read_text() for path in (followed.folder / "my-report" / "figures").glob("*.svg")}
    naming = {stem for stem, svg in figures.items() if f">{BESIDE}<" in svg}
    assert naming == {stem for stem, svg in figures.items() if f">{SOLVER}<" in svg}
    assert {"performance-profile", "data-profile", *(f"{name}--gap-time" for name in PROBLEMS)} <= naming


def test_the_solver_is_on_the_page_wherever_another_is(followed):
    sections = re.findall(r'<section id="([^"]+)">(.*?)</section>', followed.page, re.DOTALL)
    naming = [name for name, html in sections if f">{BESIDE}<" in html]
    assert naming == [name for name, html in sections if f">{SOLVER}<" in html] and len(naming) > 8


def test_the_solver_is_in_lists_suites_and_contests_and_looks_like_no_other(followed):
    assert re.search(rf"{SOLVER} +│ x\+ = x \+ t p", followed.said("benchmarks list"))
    found = json.loads(followed.output[-1].strip().splitlines()[-1])
    assert {"classic", "quick", "full", "real", "functions", "nist"} <= set(found["suites"])
    assert found["contenders"] == [True, True] and found["look"] not in found["looks"]


# --- a problem


def test_the_certificate_of_the_problem_is_printed_and_a_foreign_objective_has_none(followed):
    known, foreign = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in followed.said("datasets list diabetes").splitlines()
        if line.startswith("│ diabetes")
    ]
    assert known[:4] == ["diabetes", "logistic", "309", "11"] and "exists" in known and "overlapping" in known
    assert foreign[:4] == [FOREIGN, "Probit", "309", "10"] and "not known" in foreign


def test_the_problem_has_times_to_a_gap_and_the_foreign_one_times_to_the_lowest_loss_found(followed):
    cells = {(row["problem"], row["solver"]): row["1e-06"] for row in followed.table("time-to-gap")}
    assert re.match(r"[\d.]+ (µs|us|ms|s) ", cells["diabetes", BESIDE])
    found = {(row["problem"], row["solver"]): row["r"] for row in followed.table("time-to-loss")}
    assert FOREIGN not in {problem for problem, _ in cells} and found[FOREIGN, BESIDE].startswith("lowest found")
    assert {row["problem"] for row in followed.table("problems")} == PROBLEMS | {FOREIGN}
    assert '<section id="figures-diabetes">' in followed.page and "progress faster than" in followed.page
    ends = {row["solver"]: float(row["loss"]) for row in followed.table("summary") if row["problem"] == FOREIGN}
    assert ends[SOLVER] == pytest.approx(ends[BESIDE], rel=1e-6)  # by gradients alone, and by Hessians


def test_the_test_function_has_its_published_minimum(followed):
    assert "himmelblau" in followed.said("benchmarks list") and "0 +- 0" in followed.said("list himmelblau")


# --- a peer


def test_the_peers_claim_is_recorded_and_its_gap_judged(followed):
    (end,) = [row for row in followed.table("summary") if row["solver"] == PEER]
    assert end["problem"] == "diabetes" and end["status"] == "converged (its claim)"
    (row,) = [row for row in followed.table("time-to-gap") if row["solver"] == PEER]
    assert re.match(r"[\d.]+ (us|ms|s)", row["1e-06"])
    assert PEER in followed.said("benchmarks list") and f">{PEER}<" in followed.page


# --- a report table, and a figure


def test_the_table_is_in_the_files_on_the_page_and_in_its_contents(followed):
    written = {path.suffix for path in (followed.folder / "my-report" / "tables").glob("evaluations.*")}
    assert written == {".csv", ".md", ".tex"}
    assert '<a href="#evaluations">Evaluations</a>' in followed.page
    (section,) = re.findall(r'<section id="evaluations">(.*?)</section>', followed.page, re.DOTALL)
    assert "What a run evaluated from its start" in section and 'href="#run' in section
    counts = {(row["problem"], row["solver"]): row for row in followed.table("evaluations")}
    assert float(counts["iris", BESIDE]["hessians"]) > float(counts["iris", SOLVER]["hessians"])
    assert float(counts["iris", BESIDE]["gradients"]) < float(counts["iris", SOLVER]["gradients"])


def test_the_figure_is_drawn_of_every_problem_with_a_gap(followed):
    figures = followed.folder / "my-report" / "figures"
    for suffix in ("svg", "png"):
        assert {path.name for path in figures.glob(f"*--gap-gradients.{suffix}")} == {
            f"{name}--gap-gradients.{suffix}" for name in PROBLEMS
        }
    assert 'id="diabetes--gap-gradients"' in followed.page


# --- a column of a stored run


def test_the_column_is_stored_with_every_iterate_and_verified(followed):
    (path,) = (followed.folder / "my-columns").glob("*.parquet")
    rows = pq.read_table(path).to_pylist()
    assert len(rows) > 2 and all(0 <= row["largest"] <= row["norm"] for row in rows) and rows[-1]["largest"] > 0
    assert "1 runs are the same bit for bit, 0 differ" in followed.said("benchmarks verify")
