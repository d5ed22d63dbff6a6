"""The verb `check`: planted faults are found by the check that is for them, and sound solvers pass all."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.audit import conformance
from benchmarks.audit.conformance import CHECKS, check
from benchmarks.command.main import app
from solvers import SOLVERS
from solvers.objectives import LogisticRegression

NEWTON = SOLVERS["newton-cholesky"]


class Sound:
    """Newton's method, without anything of ours but its step."""

    def init(self, point):
        return NEWTON.init(point)

    def step(self, point, state):
        return NEWTON.step(point, state)


class Elsewhere(Sound):
    """Minimises another function: it has a penalty of its own."""

    def step(self, point, state):
        f = point.objective
        if getattr(f, "l2", 9.0) < 9.0:
            f = LogisticRegression(f.X, f.y, 9.0, f.fit_intercept, f.reduction)
        return NEWTON.step(f.at(point.x), state)


class Writes(Sound):
    def step(self, point, state):
        arrived = super().step(point, state)
        point.gradient.mul_(1.5)
        return arrived


class Keeps(Sound):
    def __init__(self):
        self.steps = 0

    def step(self, point, state):
        self.steps += 1
        return point + point.gradient * (-0.5 / (1 + self.steps % 7)), state


class Single(Sound):
    def step(self, point, state):
        moved, state = super().step(point, state)
        return point.objective.at(moved.x.to(torch.float64)), state


class Dense(Sound):
    def step(self, point, state):
        point.objective.X.diagonal()
        return super().step(point, state)


class Gives(Sound):
    """Gives up after two steps."""

    def init(self, point):
        return 0

    def step(self, point, state):
        return (point, state) if state == 2 else (NEWTON.step(point, NEWTON.init(point))[0], state + 1)


class Raises(Sound):
    def step(self, point, state):
        raise RuntimeError("it is\nnot written yet")


@cache
def failed(kind: type) -> dict[str, str]:
    return {each.name: each.sentence for each in check(kind()) if not each.passed}


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Sound, set()),
        (Elsewhere, {"minimum", "sparse rows", "claims"}),
        (Writes, {"input"}),
        (Keeps, {"repeats"}),
        (Gives, {"minimum", "sparse rows"}),
        (Raises, set(CHECKS)),
    ],
)
def test_a_planted_fault_is_found_by_the_checks_that_are_for_it(kind, names):
    assert set(failed(kind)) == names


def test_a_check_that_is_for_one_layout_or_precision_finds_it():
    for kind, name in ((Single, "dtype and shape"), (Dense, "sparse rows")):
        found = conformance._finding(name, CHECKS[name], kind())
        assert not found.passed and "\n" not in found.sentence
        assert conformance._finding(name, CHECKS[name], Sound()).passed


def test_what_a_solver_raises_is_one_line_with_its_place_and_what_hangs_is_told(monkeypatch):
    assert all("test_check.py, line" in words and "\n" not in words for words in failed(Raises).values())
    monkeypatch.setattr(conformance, "LONG", 0.2)

    class Hangs(Sound):
        def step(self, point, state):
            while True:
                pass

    found = conformance._finding("input", CHECKS["input"], Hangs())
    assert not found.passed and found.sentence == "it is not over after 0.2 seconds"


def test_the_verb_shows_a_table_and_ends_with_1_where_a_check_fails(tmp_path, monkeypatch):
    quick = ("dtype and shape", "input")
    monkeypatch.setattr(conformance, "CHECKS", {name: CHECKS[name] for name in quick})
    ran = CliRunner().invoke(app, ["check", "--solver", "newton", "--solver", "torch:Adam:lr=1e-2"])
    assert ran.exit_code == 0 and "newton: 2 of 2 checks passed" in ran.stdout and "Adam lr=0.01: 2 of 2" in ran.stdout
    monkeypatch.setitem(SOLVERS, "writes", Writes())
    ran = CliRunner().invoke(app, ["check", "--solver", "writes"])
    assert ran.exit_code == 1 and "gradient: has changed" in ran.stdout and "passed by writes" in ran.stderr
    for words in ([], ["--solver", "newtn"], [str(tmp_path / "none.py")]):
        ran = CliRunner().invoke(app, ["check", *words])
        assert ran.exit_code == 2 and ran.stderr.count("\n") == 1
