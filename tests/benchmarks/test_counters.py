"""Counts: exact where no last digit decides them, else in an interval; and a change of code shows in them by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.command.main import app
from benchmarks.profiling import counters
from benchmarks.profiling.processors import environment_of, perturbed
from datasets import build
from solvers import COUNTERS, SOLVERS

FEW = [("breast-cancer-l2", "newton-cholesky"), ("synthetic-rare", "newton-diagonal")]
UNSEEN = 10_000  # a seed that no baseline was made with


@pytest.fixture
def few(monkeypatch):
    """Two cases, counted in this process alone."""

    def here(wanted):
        for case in wanted:
            for seed in (None, 0):
                yield " ".join(case), counters.count(*case, seed)

    monkeypatch.setattr(counters, "cases", lambda: FEW)
    monkeypatch.setattr(counters, "counted_elsewhere", here)


def run(*options: str):
    return CliRunner().invoke(app, ["counters", *options])


def test_the_committed_baseline_names_the_cases_of_this_code():
    version, cases = counters.read_baseline()
    assert list(cases) == [" ".join(case) for case in counters.cases()] and version
    for counts in cases.values():
        assert set(counts) == {"status", "iterations", "flops", "bytes", *counters.OF_TORCH, *COUNTERS}


def test_what_is_counted_here_is_what_the_baseline_allows(subtests):
    """Of the data as it is, and moved as it was not when the baseline was made."""
    version, cases = counters.read_baseline()
    ignored = () if version == torch.__version__ else counters.OF_TORCH
    for problem, seed in (("breast-cancer-l2", None), ("breast-cancer-raw", UNSEEN)):
        for solver in SOLVERS:
            with subtests.test(problem=problem, solver=solver):
                name = f"{problem} {solver}"
                assert not counters.changes({name: cases[name]}, {name: counters.count(problem, solver, seed)}, ignored)


def test_data_is_moved_in_its_last_digits_and_stays_what_it_is():
    def entries(f):
        return f.X.values() if f.X.layout == torch.sparse_csr else f.X

    for name in counters.PROBLEMS:
        problem = build(name)
        f, x = problem.objective, problem.x0
        moved = perturbed(f, 0)
        assert type(moved) is type(f) and not torch.equal(entries(moved), entries(perturbed(f, 1)))
        assert 0 < ((entries(moved) - entries(f)).abs() / entries(f).abs().clamp(min=1e-300)).max() < 1e-12
        gradient = f.at(x).gradient
        assert torch.allclose(moved.at(x).gradient, gradient, rtol=0, atol=1e-9 * gradient.abs().max())


def test_a_baseline_spans_what_was_seen_and_half_as_much_on_either_side():
    seen = [{"status": "stalled", "solves": 4, "flops": 10.0}, {"status": "converged", "solves": 4, "flops": 12.0}]
    spanned = counters.spanned(seen)
    assert spanned == {"status": ["converged", "stalled"], "solves": 4, "flops": [9.0, 13.0]}
    for found in (*seen, {"status": "stalled", "solves": 4, "flops": 9.0}):
        assert not counters.changes({"a": spanned}, {"a": found})
    outside = {"status": "diverged", "solves": 5, "flops": 13.5}
    assert counters.changes({"a": spanned}, {"a": outside}) == [
        "a: status converged or stalled -> diverged, solves 4 -> 5, flops 9..13 -> 13.5"
    ]


def test_a_process_takes_the_variables_along_and_this_one_keeps_its_own(monkeypatch):
    monkeypatch.setenv("HESSBENCH_ONE", "before")
    monkeypatch.delenv("HESSBENCH_TWO", raising=False)
    code = "import os; print(os.environ['HESSBENCH_ONE'], os.environ['HESSBENCH_TWO'])"
    with environment_of({"HESSBENCH_ONE": "1", "HESSBENCH_TWO": "2"}):
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "1 2\n"
    assert os.environ["HESSBENCH_ONE"] == "before" and "HESSBENCH_TWO" not in os.environ


@pytest.mark.slow  # processes that import torch
def test_other_processors_count_in_processes_of_their_own(monkeypatch):
    monkeypatch.setattr(counters, "PROCESSORS", dict(list(counters.PROCESSORS.items())[1:3]))
    monkeypatch.setattr(counters, "SEEDS", 2)
    found = list(counters.counted_elsewhere(FEW))
    assert sorted(name for name, _ in found) == sorted(" ".join(case) for case in FEW for _ in range(2 * 3))
    _, baseline = counters.read_baseline()
    assert not [change for name, counts in found for change in counters.changes({name: baseline[name]}, {name: counts})]


def test_counting_twice_gives_the_same_and_threads_change_nothing():
    first = counters.count(*FEW[0])
    torch.set_num_threads(2)
    assert counters.count(*FEW[0]) == first
    assert first["status"] == "converged" and first["iterations"] > 3
    assert 0 < first["synchronisations"] < first["operations"]


WASTE = {
    "hessians": lambda point: point.objective.at(point.x).hessian,
    "hessian_vector_products": lambda point: point.objective.at(point.x).hvp(point.x + 1),
    "synchronisations": lambda point: float(point.x.sum()),
}


def wasteful(name: str, waste: str):
    """The solver of that name, which does something for nothing at each step."""
    solver = SOLVERS[name]

    def propose(self, point, state):
        WASTE[waste](point)
        return type(solver).propose(self, point, state)

    settings = {field.name: getattr(solver, field.name) for field in fields(solver)}
    return type("Wasteful", (type(solver),), {"propose": propose})(**settings)


STEADY = ("breast-cancer-l2", "newton-cholesky")
UNSTEADY = [("breast-cancer-raw", "newton-cholesky"), ("digits", "newton-cg")]


@pytest.mark.parametrize("waste", WASTE)
@pytest.mark.parametrize("case", [STEADY, *UNSTEADY], ids=" ".join)
def test_what_is_wasted_is_found_and_named(case, waste, monkeypatch):
    name = " ".join(case)
    baseline = counters.read_baseline()[1][name]
    assert any(isinstance(value, list) for value in baseline.values()) == (case != STEADY)
    monkeypatch.setattr(counters, "cases", lambda: [case])
    monkeypatch.setattr(counters, "read_baseline", lambda path: (torch.__version__, {name: baseline}))
    assert run("--check").exit_code == 0
    monkeypatch.setitem(SOLVERS, case[1], wasteful(case[1], waste))
    outcome = run("--check")
    assert outcome.exit_code == 1 and "--update" in outcome.stderr
    (sentence,) = outcome.stdout.splitlines()
    assert sentence.startswith(f"{name}: ") and f"{waste} {counters.shown(baseline[waste])} -> " in sentence
    assert "iterations" not in sentence


def test_a_baseline_that_was_written_is_kept_to(few, tmp_path):
    baseline = tmp_path / "counters.json"
    outcome = run("--update", "--baseline", str(baseline))
    assert outcome.exit_code == 0 and outcome.stdout.startswith("2 cases written")
    assert run("--check", "--baseline", str(baseline)).exit_code == 0
    stored = json.loads(baseline.read_text())
    assert list(stored["cases"]) == [" ".join(case) for case in FEW]
    assert set(stored["provenance"]) == {"machine", "date", "commit", "code_version"}


def test_cases_that_came_and_went_are_named():
    one = {"iterations": 1}
    assert counters.changes({"a": one}, {"b": one}) == [
        "b: new, not in the baseline",
        "a: in the baseline, and no longer counted",
    ]
    assert counters.changes({"a": one}, {"a": {"iterations": 2}}) == ["a: iterations 1 -> 2"]
    assert counters.changes({"a": one}, {"a": {"iterations": 1, "solves": 2}}) == ["a: solves none -> 2"]
    assert counters.changes({"a": one}, {"a": {"iterations": 2}}, ignored=["iterations"]) == []


def test_another_torch_leaves_out_what_depends_on_it_and_says_so(few, tmp_path):
    baseline = tmp_path / "counters.json"
    run("--update", "--baseline", str(baseline))
    content = json.loads(baseline.read_text())
    content["torch"] = "1.0"
    for counts in content["cases"].values():
        counts["operations"] += 1
    baseline.write_text(json.dumps(content))
    outcome = run("--check", "--baseline", str(baseline))
    assert outcome.exit_code == 0 and "not compared" in outcome.stderr and "operations" in outcome.stderr


@pytest.mark.parametrize("content", [None, "", "{}", '{"torch": "1", "cases'], ids=["none", "empty", "other", "cut"])
def test_a_baseline_that_cannot_be_read_is_one_sentence(content, few, tmp_path):
    baseline = tmp_path / "counters.json"
    if content is not None:
        baseline.write_text(content)
    outcome = run("--check", "--baseline", str(baseline))
    assert outcome.exit_code == 2 and len(outcome.stderr.strip().splitlines()) == 1
    assert "python -m benchmarks counters --update" in outcome.stderr


def test_checking_and_updating_at_once_is_refused(tmp_path):
    assert run("--check", "--update", "--baseline", str(tmp_path / "c.json")).exit_code == 2
    assert not (tmp_path / "c.json").exists()
