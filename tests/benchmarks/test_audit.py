"""The audit of a solver, a peer or an optimiser: what is planted is found, and what is sound passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.audit.examine import descent, device, functions, repeats, units
from benchmarks.audit.simulated_cuda import SimulatedCuda
from benchmarks.command.main import app
from datasets import plugins
from solvers import SOLVERS
from solvers.adapters import PEERS

PLANTS = '''
"""Solvers that do what a solver must not, and a peer that claims success at once."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from solvers.adapters.base import Claim
from solvers.objectives import Point


class Flat(Point):
    value = property(lambda self: self.x.new_tensor(0.1))
    gradient = property(lambda self: torch.zeros_like(self.x))
    hessian = property(lambda self: torch.eye(len(self.x), dtype=self.x.dtype))


@dataclass(frozen=True)
class Descent:
    needs = "gradient"
    plant: str = ""

    def init(self, point):
        return None

    def step(self, point, state):
        step = -1e-3 * point.gradient
        if self.plant == "a point without slope":
            return Flat(point.objective, point.x + step), None
        if self.plant == "uphill":
            return point + 100 * point.gradient, None
        if self.plant == "an exception":
            raise RuntimeError("planted")
        if self.plant == "no seed":
            step = step * torch.rand(())
        if self.plant == "no wait":
            step = step.to("cpu", non_blocking=True).to(point.x.device)
        if self.plant == "two devices":
            step = step + torch.zeros(len(step), dtype=step.dtype)
        return point + step, None


@dataclass(frozen=True)
class LyingPeer:
    takes_any_objective: ClassVar[bool] = True
    needs: ClassVar[str] = "gradient"
    iterations: int = 1
    dtypes: tuple[str, ...] = ("float64", "float32")

    def prepare(self, objective, start=None):
        x0 = objective.zeros() if start is None else start
        return lambda tolerance: Claim(x0.double(), 1, True, "done")


NAMES = ("a point without slope", "uphill", "an exception", "no seed", "no wait", "two devices")
SOLVERS = {"plant-" + name.replace(" ", "-"): Descent(name) for name in NAMES}
PEERS = {"plants:liar": LyingPeer()}
'''


@pytest.fixture(scope="module")
def plants(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("plants") / "plants.py"
    path.write_text(PLANTS)
    before = [(registry, dict(registry)) for registry in (SOLVERS, PEERS, plugins._files, plugins._origins)]
    plugins.load([path])
    yield path
    for registry, entries in before:
        registry.clear()
        registry.update(entries)


def failed(findings) -> list[str]:
    return [finding.question for finding in findings if finding.passed is False]


@pytest.mark.parametrize(
    ("plant", "examine"),
    [
        ("a-point-without-slope", lambda name: functions(name, 1.0)[0]),
        ("uphill", lambda name: descent(name, 0.2)),
        ("an-exception", lambda name: units(name, 0.2)),
        ("no-seed", lambda name: repeats(name, 0.2)),
        ("no-wait", lambda name: device(name, 1.0)),
        ("two-devices", lambda name: device(name, 1.0)),
    ],
)
def test_what_is_planted_is_found(plants, plant, examine):
    assert failed(examine(f"hessbench:plant-{plant}"))


@pytest.mark.parametrize("examine", [descent, units, device, repeats], ids=lambda examine: examine.__name__)
def test_a_sound_method_passes(examine):
    assert not failed(examine("hessbench:newton-levenberg", 5.0))


def test_gradient_descent_depends_on_the_units_of_the_columns():
    findings = units("hessbench:gradient-descent-armijo", 5.0)
    assert [finding.passed for finding in findings] == [True, False, True]


def test_a_copy_that_nobody_waited_for_holds_no_number_yet():
    with SimulatedCuda() as simulated:
        x = torch.ones(3).to(simulated.name)
        copy = x.to("cpu", non_blocking=True)
        assert bool(copy.isnan().all())
        torch.cuda.synchronize()
        assert copy.tolist() == [1.0, 1.0, 1.0]


def run(*arguments: str):
    return CliRunner().invoke(app, ["audit", *arguments])


@pytest.mark.slow
def test_a_peer_that_claims_success_at_once_is_found_out(plants, tmp_path):
    out = tmp_path / "page.json"
    store = ["--store", str(tmp_path / "v.parquet"), "--quick", "--part", "claims", "--part", "functions"]
    ended = run("plants:liar", *store, "--out", str(out), "--time-limit", "1")
    assert ended.exit_code == 1, ended.output
    page = json.loads(out.read_text())["plants:liar"]
    numbers = {finding["question"]: finding for finding in page["findings"]}
    wrong = [finding for question, finding in numbers.items() if question.startswith("false reports")]
    assert len(wrong) == 3 and all(int(finding["number"]) > 0 and not finding["passed"] for finding in wrong)
    assert len(page["hard problems"]) > 20 and "liar: 3 tests failed" in ended.output


@pytest.mark.slow
def test_torchs_lbfgs_reports_success_where_there_is_no_minimum_and_as_a_solver_of_ours_it_does_not(tmp_path):
    """By its own tolerances it ends on separable data; stepped by our loop, which proves, it claims nothing false."""
    store = ["--store", str(tmp_path / "v.parquet"), "--quick", "--part", "claims", "--time-limit", "1"]
    theirs, ours = tmp_path / "theirs.json", tmp_path / "ours.json"
    assert run("torch.optim:LBFGS", *store, "--out", str(theirs)).exit_code == 1
    assert run("torch:LBFGS", *store, "--out", str(ours)).exit_code == 0
    false = [
        int(finding["number"])
        for path in (theirs, ours)
        for page in json.loads(path.read_text()).values()
        for finding in page["findings"]
        if "without a minimum" in finding["question"]
    ]
    assert false[0] > 0 and false[1] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["newton-colesky"], "newton-cholesky"),
        (["newton", "--part", "everything"], "--part must be one of"),
        (["newton", "--time-limit", "0"], "--time-limit must be"),
        (["newton", "--out", "page.pdf"], ".html, .txt or .json"),
        (["nothing.py"], "cannot be read"),
        (["torch:Adan"], "Adam"),
    ],
)
def test_bad_input_is_one_sentence(arguments, words):
    ended = run(*arguments)
    assert ended.exit_code == 2 and words in ended.stderr and len(ended.stderr.strip().splitlines()) == 1


def test_the_page_is_written_as_html_and_as_text(tmp_path):
    for suffix in ("html", "txt"):
        out = tmp_path / "pages" / f"page.{suffix}"
        ended = run("newton", "--part", "repeats", "--store", str(tmp_path / "v.parquet"), "--out", str(out))
        assert ended.exit_code == 0 and "no test failed" in out.read_text()


def test_every_solver_of_ours_is_a_subject():
    from benchmarks.command.audit import subjects

    assert [subjects(name) for name in SOLVERS] == [[f"hessbench:{name}"] for name in SOLVERS]
