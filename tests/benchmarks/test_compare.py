"""`compare`: the frame that `run` stores, from Python."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch

import benchmarks
from benchmarks import compare
from benchmarks.comparison.compare import OwnCase
from benchmarks.runner.environment import ROOT
from benchmarks.store.reading import read
from datasets import Problem, problem_from_arrays
from reports.data.runs import load
from solvers import SOLVERS, GradientDescent, Newton, Stop
from solvers.objectives import FunctionObjective

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 3))
Y = (X[:, 0] + rng.normal(size=80) > 0).astype(int)


@dataclass(frozen=True)
class HalfSteps:
    """x+ = x - rate g."""

    rate: float = 0.5

    def init(self, point):
        return None

    def step(self, point, state):
        return point + (-self.rate * point.gradient), state


class Raising:
    def init(self, point):
        return None

    def step(self, point, state):
        raise KeyError("no such thing")


@pytest.fixture(scope="module")
def mine() -> Problem:
    return problem_from_arrays(X, Y, l2=1e-2, name="mine")


def last(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.groupby(["problem", "label", "repeat"], sort=False).last()


def test_a_problem_of_arrays_is_measured_to_its_certified_optimum(mine, tmp_path):
    frame = compare(mine, ["newton-cholesky", "lbfgs"], repeats=2, store=tmp_path / "runs")
    ends = last(frame)
    assert list(ends.index) == [("mine", label, k) for label in ("newton-cholesky", "lbfgs") for k in range(2)]
    assert set(ends["status"]) == {"converged"} and (ends["gap"].abs() < 1e-9).all() and not ends["no_gap"].any()
    assert frame.groupby("run")["iteration"].min().eq(0).all() and ends["test_accuracy"].gt(0.5).all()


def test_the_frame_is_what_is_stored(mine, tmp_path):
    frame = compare([mine, "iris"], {"steps": HalfSteps()}, 1, tmp_path / "runs", stop=Stop(iterations=5))
    stored = read(tmp_path / "runs")
    assert not stored.skipped and set(stored.metadata) == set(frame["run"])
    table = stored.table.to_pandas()
    assert set(table.columns) == set(frame.columns) and len(table) == len(frame)
    both = [part.sort_values(["problem", "iteration"])["value"].tolist() for part in (frame, table)]
    assert both[0] == both[1]
    loaded = load(tmp_path / "runs").frame
    assert set(loaded["solver"]) == {"steps"} and set(loaded["problem"]) == {"mine", "iris"}


def test_repeats_are_the_outer_loop(mine, monkeypatch):
    order = []
    original = sys.modules["benchmarks.comparison.compare"].measure
    monkeypatch.setattr(
        "benchmarks.comparison.compare.measure",
        lambda case, repeat, problem: order.append((repeat, case.solver)) or original(case, repeat, problem),
    )
    compare(mine, ["newton", "lbfgs"], repeats=2)
    assert order == [(0, "newton"), (0, "lbfgs"), (1, "newton"), (1, "lbfgs")]


def test_solvers_have_names_of_their_own(mine):
    given = ["newton", Newton(damping=1e-3), HalfSteps(), GradientDescent()]
    ends = last(compare([mine], given, repeats=1, stop=Stop(iterations=3)))
    assert [label for _, label, _ in ends.index] == ["newton", "newton damping 0.001", "HalfSteps", "gradient-descent"]
    ends = last(compare(mine, {"ours": "newton", "newton": SOLVERS["newton"]}, 1))
    assert [label for _, label, _ in ends.index] == ["ours", "newton"]


def test_a_solver_that_raises_is_a_row(mine):
    (row,) = compare(mine, {"bad": Raising()}, repeats=1).to_dict("records")
    assert row["status"] == "error" and "no such thing" in row["message"]


def test_a_peer_goes_by_its_name(mine):
    ends = last(compare(mine, "scipy:trust-exact", repeats=1))
    assert ends["message"].iloc[0].startswith("scipy claims") and ends["gap"].iloc[0] < 1e-6


def test_a_problem_in_float32_is_evaluated_in_float64():
    problem = problem_from_arrays(X, Y, l2=1e-2, dtype=torch.float32)
    ends = last(compare(problem, "newton-cholesky", repeats=1))
    assert ends["dtype"].iloc[0] == "float32" and ends["no_gap"].iloc[0] == ""
    exact = problem.in_float64()
    twin = last(compare(exact, "newton-cholesky", repeats=1))
    assert ends["optimum"].iloc[0] == twin["optimum"].iloc[0]
    assert ends["value"].iloc[0] == pytest.approx(twin["value"].iloc[0], rel=1e-6)


def test_of_a_foreign_objective_the_optimum_is_not_known():
    f = FunctionObjective(lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2)
    problem = Problem("valley", "", f, None, torch.tensor([-1.2, 1.0]), "no data")
    ends = last(compare(problem, "newton-levenberg", repeats=1))
    assert ends["no_gap"].iloc[0] == "f* is not known" and np.isnan(ends["gap"].iloc[0])
    assert ends["value"].iloc[0] < 1e-6 and ends["status"].iloc[0] == "converged"


def test_the_source_of_a_solver_is_part_of_the_identity_of_its_runs(tmp_path):
    case = OwnCase("iris", "mine", made=HalfSteps())
    assert replace(case, made=HalfSteps(rate=0.25)).key != case.key
    keys = []
    for body in ("return point, state", "return point + (-point.gradient), state"):
        path = tmp_path / f"version{len(keys)}.py"
        path.write_text(f"class Mine:\n    def step(self, point, state):\n        {body}\n")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        keys.append(replace(case, made=module.Mine()).key)
        del sys.modules[path.stem]
    assert keys[0] != keys[1]


@pytest.mark.parametrize(
    ("arguments", "error", "expected"),
    [
        (("iriss", "newton"), ValueError, "did you mean iris"),
        (("iris", "newtn"), ValueError, "did you mean newton"),
        ((object(), "newton"), TypeError, "see problem_from_arrays"),
        (("iris", Newton), TypeError, "object with init and step"),
        (("iris", ["newton", "newton"]), ValueError, "two solvers are called 'newton'"),
        ((["iris", "iris"], "newton"), ValueError, "two problems are called 'iris'"),
        (("iris", {"newton": HalfSteps()}), ValueError, "choose another name"),
        (("iris", []), ValueError, "nothing to compare"),
        (("iris", "newton", 0), ValueError, "repeats must be"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_measured(arguments, error, expected):
    with pytest.raises(error, match=expected):
        compare(*arguments)


def test_the_number_of_threads_is_left_as_it_was(mine):
    before = torch.get_num_threads()
    compare(mine, "newton", repeats=1, threads=before + 1)
    assert torch.get_num_threads() == before


def test_importing_the_package_imports_nothing_else():
    code = (
        "import sys, benchmarks; print(sorted({'torch', 'pandas', 'typer', 'datasets', 'solvers'} & set(sys.modules)))"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"
    assert not hasattr(benchmarks, "setup")  # which asv would ask for


def test_an_optimiser_of_torch_goes_by_its_name():
    frame = compare("breast-cancer-l2", ["torch:SGD:lr=1.0", "newton"], repeats=1, stop=Stop(iterations=3))
    assert set(frame["label"]) == {"SGD lr=1.0", "newton"}
    with pytest.raises(ValueError, match="Adam"):
        compare("breast-cancer-l2", "torch:Adan")
