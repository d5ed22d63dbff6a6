"""Counters are exact: the same wherever they are counted, and a change of code shows in them by name."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest
import torch
from typer.testing import CliRunner

from benchmarks import counters
from benchmarks.command.main import app
from solvers import COUNTERS, SOLVERS, CholeskyNewton
from solvers.objectives import LogisticRegression

FEW = [("breast-cancer-l2", "newton-cholesky"), ("synthetic-rare", "newton-diagonal")]


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(counters, "cases", lambda: FEW)


def run(*options: str):
    return CliRunner().invoke(app, ["counters", *options])


def test_the_committed_baseline_names_the_cases_of_this_code():
    version, cases = counters.read_baseline()
    assert list(cases) == [" ".join(case) for case in counters.cases()] and version
    for counts in cases.values():
        assert set(counts) == {"status", "iterations", "flops", "bytes", *counters.OF_TORCH, *COUNTERS}


@pytest.mark.parametrize("case", [case for case in counters.cases() if case[0] in ("breast-cancer-l2", "digits")])
def test_the_committed_baseline_is_what_is_counted_here(case):
    version, cases = counters.read_baseline()
    name = " ".join(case)
    ignored = () if version == torch.__version__ else counters.OF_TORCH
    assert not counters.changes({name: cases[name]}, {name: counters.count(*case)}, ignored)


@pytest.mark.parametrize("solver", [name for name in SOLVERS if ("breast-cancer-raw", name) in counters.cases()])
def test_no_count_hangs_on_the_last_digits_of_the_data(solver, monkeypatch):
    exact = counters.build

    def shifted(name):
        problem = exact(name)
        f = problem.objective
        noise = torch.randn(f.X.shape, generator=torch.Generator().manual_seed(1), dtype=f.X.dtype)
        X = f.X * (1 + 1e-12 * noise)
        return replace(problem, objective=LogisticRegression(X, f.y, l2=f.l2, fit_intercept=f.fit_intercept))

    before = counters.count("breast-cancer-raw", solver)
    monkeypatch.setattr(counters, "build", shifted)
    assert counters.count("breast-cancer-raw", solver) == before


def test_counting_twice_gives_the_same_and_threads_change_nothing():
    first = counters.count(*FEW[0])
    torch.set_num_threads(2)
    assert counters.count(*FEW[0]) == first
    assert first["status"] == "converged" and first["iterations"] > 3
    assert 0 < first["synchronisations"] < first["operations"]


@dataclass(frozen=True)
class Wasteful(CholeskyNewton):
    """Reads the Hessian of a point that it throws away, and then a number off the device."""

    def propose(self, point, state):
        float(point.objective.at(point.x).hessian.sum())
        return super().propose(point, state)


def test_a_wasted_hessian_and_a_wasted_read_are_found_and_named(few, monkeypatch, tmp_path):
    baseline = tmp_path / "counters.json"
    assert run("--update", "--baseline", str(baseline)).exit_code == 0
    assert run("--check", "--baseline", str(baseline)).exit_code == 0
    monkeypatch.setitem(SOLVERS, "newton-cholesky", Wasteful())
    outcome = run("--check", "--baseline", str(baseline))
    assert outcome.exit_code == 1 and "--update" in outcome.stderr
    (sentence,) = outcome.stdout.splitlines()
    assert sentence.startswith("breast-cancer-l2 newton-cholesky: ")
    before = json.loads(baseline.read_text())["cases"]["breast-cancer-l2 newton-cholesky"]
    wasted = before["hessians"]  # one more at every point that is left; the last is tested by its gradient
    for key, extra in (("hessians", wasted), ("synchronisations", wasted)):
        assert f"{key} {before[key]} -> {before[key] + extra}" in sentence, sentence
    assert "flops" in sentence and "iterations" not in sentence


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
