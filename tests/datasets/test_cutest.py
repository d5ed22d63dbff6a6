"""CUTEst's problems: sums of groups are evaluated right, an absent package is one sentence, derivatives are checked."""

from __future__ import annotations

import csv
import math
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix
from typer.testing import CliRunner

from benchmarks.command.main import app
from datasets import CUTEST, DataError, build, certificate
from datasets.__main__ import app as datasets_app
from datasets.checks.derivatives import differences
from datasets.functions import cutest, s2mpj
from datasets.functions.cutest_table import ATTAINED, BOUNDS, CERTIFIED, LEFT_OUT, LOCAL, SIZES, STATED
from datasets.functions.s2mpj import S2MPJ, GroupSum
from datasets.loaders.storage import sentences
from reports.sections.collection import by_problem, collection_section, solved, solved_runs
from solvers import SOLVERS, Status, minimize

HERE = not s2mpj.why_missing()
NEEDS = pytest.mark.skipif(not HERE, reason=s2mpj.why_missing() or "-")
SAMPLE = [problem for problem in CUTEST if problem.n <= 12][::9]


# --- a problem of our own, in the form of S2MPJ's


class Twin:
    """100 (x2 - x1^2)^2 + (x1 - 1)^2 + x1^2 / 2 + sin x2: groups of both kinds, a scale, a weight, a constant, an H."""

    def __init__(self, bend: float = 2.0) -> None:
        self.bend = bend
        self.x0 = np.array([[-1.2], [1.0]])
        self.objgrps = np.arange(3)
        self.A = csr_matrix(np.array([[0.0, 1.0], [1.0, 0.0]]))  # the third group has no row
        self.gconst = np.array([[0.0], [1.0]])
        self.gscale = [0.01, None, 1e-20]
        self.grftype = ["square", "square"]  # the third is the identity
        self.grelt, self.grelw = [np.array([0.0]), None, [1]], [[-1.0], None, None]
        self.elftype, self.elvar = ["own_square", "sine"], [[0], np.array([1.0])]
        self.H = csr_matrix(np.array([[1.0, 0.0], [0.0, 0.0]]))

    def getglobs(self) -> None:
        self.ready = True

    @staticmethod
    def square(self, order, z, number):
        assert self.ready
        return (z * z, 2 * z, 2.0)[:order] if order > 1 else z * z

    @staticmethod
    def own_square(self, order, v, number):
        f, g, H = v[0, 0] ** 2, np.array([2 * v[0, 0]]), np.array([[self.bend]])
        return (f, g, H)[:order] if order > 1 else f

    @staticmethod
    def sine(self, order, v, number):
        f, g, H = np.sin(v[0, 0]), np.cos(v), np.array([[-np.sin(v[0, 0])]])
        return (f, g, H)[:order] if order > 1 else f


def test_a_sum_of_groups_has_the_value_gradient_and_hessian_of_its_formula():
    x, y = -0.3, 1.7
    value, g, H = GroupSum(Twin()).evaluate(np.array([x, y]), 2)
    assert value == pytest.approx(100 * (y - x**2) ** 2 + (x - 1) ** 2 + x**2 / 2 + math.sin(y), rel=1e-14)
    slopes = [-400 * x * (y - x**2) + 2 * (x - 1) + x, 200 * (y - x**2) + math.cos(y)]
    bends = [[1200 * x**2 - 400 * y + 3, -400 * x], [-400 * x, 200 - math.sin(y)]]
    assert np.allclose(g, slopes, rtol=1e-13) and np.allclose(H, bends, rtol=1e-13)
    assert GroupSum(Twin()).evaluate(np.array([x, y]), 0)[0] == value


def test_the_foreign_objective_is_solved_and_its_derivatives_agree_with_differences():
    objective, x0 = S2MPJ(GroupSum(Twin())), torch.tensor([-1.2, 1.0], dtype=torch.float64)
    found = differences(objective, x0)
    assert found.passed and 0 < found.gradient < 1e-8 and 0 < found.hessian < 1e-8
    for name in ("newton-damped", "trust-region-exact", "newton-cg", "lbfgs"):
        result = minimize(SOLVERS[name], objective, x0)
        assert result.status == Status.CONVERGED and float(objective.at(result.x).gradient.abs().max()) < 1e-3


def test_a_wrong_hessian_or_gradient_is_found_out():
    x0 = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    found = differences(S2MPJ(GroupSum(Twin(bend=2.001))), x0)
    assert not found.passed and found.gradient < 1e-8 < 1e-5 < found.hessian
    twin = Twin()
    twin.sine = lambda self, order, v, number: (np.sin(v[0, 0]), 9 * np.cos(v), -np.sin(v)) if order > 1 else np.sin(v)
    assert differences(S2MPJ(GroupSum(twin)), x0).gradient > 1e-5


def test_what_python_raises_where_a_function_is_not_defined_is_no_number():
    twin = Twin()
    twin.square = lambda self, order, z, number: 1 // 0
    assert math.isnan(GroupSum(twin).evaluate(np.zeros(2), 0)[0])
    value, g, H = GroupSum(twin).evaluate(np.zeros(2), 2)
    assert math.isnan(value) and np.isnan(g).all() and np.isnan(H).all()


# --- the package: absent, or one of our own

FAKE = """
from s2mpjlib import *
class ROSENBR(Base):
    name = "ROSENBR"
"""
LIBRARY = """
from tests.datasets.test_cutest import Twin
class Base(Twin):
    def __init__(self):
        super().__init__()
        self.objgrps = [0, 1]
        del self.H
"""


@pytest.fixture
def forget():
    """No module of S2MPJ and no problem is kept from one test to the next."""

    def clear():
        for name in [name for name in sys.modules if name.split(".")[0] == s2mpj.LIBRARY]:
            del sys.modules[name]
        cutest._loaded.cache_clear()
        certificate.cache_clear()

    clear()
    yield
    clear()


@pytest.fixture
def fake(tmp_path, monkeypatch, forget):
    """A package of that name with one problem, which must not itself be imported."""
    folder = tmp_path / s2mpj.PACKAGE / s2mpj.FOLDER
    (folder / "python_problems").mkdir(parents=True)
    (tmp_path / s2mpj.PACKAGE / "__init__.py").write_text("raise AssertionError('imported')")
    (folder / "s2mpjlib.py").write_text(LIBRARY)
    (folder / "python_problems" / "ROSENBR.py").write_text(FAKE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, s2mpj.PACKAGE, raising=False)


@pytest.fixture
def absent(monkeypatch, forget):
    monkeypatch.setattr(s2mpj, "find_spec", lambda name: None)


def test_a_problem_is_made_from_the_file_of_its_name_and_its_minimum_is_known(fake):
    problem = build("cutest-rosenbr")
    assert problem.x0.tolist() == [-1.2, 1.0] and problem.shape == (1, 2)
    assert float(problem.objective.at(problem.x0).value) == pytest.approx(24.2)
    known = certificate("cutest-rosenbr")
    assert (known.optimum, known.no_gap) == (0.0, "") and "S2MPJ" in known.bound
    result = minimize(SOLVERS["newton-damped"], problem.objective, problem.x0)
    assert result.status == Status.CONVERGED and float(result.value) < 1e-20
    assert not s2mpj.why_missing()
    with pytest.raises(DataError, match=r"BEALE is not among the problems in .*\[cutest\]"):
        build("cutest-beale")


def test_other_precisions_and_devices_are_refused_in_a_sentence(fake, tmp_path):
    with pytest.raises(ValueError, match=r"^cutest-rosenbr: [^\n]*float64 only, not in float32: leave --dtype out$"):
        build("cutest-rosenbr", torch.float32)
    assert "cpu only, not in cuda" in cutest.CutestProblem.refusal("float64", "cuda:0")
    options = ["run", "--solver", "newton-damped", "--repeats", "1", "--store", str(tmp_path / "runs")]
    alone = CliRunner().invoke(app, [*options, "--problem", "cutest-rosenbr", "--dtype", "float32"])
    assert alone.exit_code == 2 and alone.stderr.startswith("error: cutest-rosenbr: ")
    assert len(alone.stderr.splitlines()) == 1
    both = ["--problem", "cutest-rosenbr", "--dtype", "float32", "--dtype", "float64"]
    outcome = CliRunner().invoke(app, [*options, *both])
    assert outcome.exit_code == 0 and "left out cutest-rosenbr: " in outcome.stderr
    assert "1 runs measured" in outcome.stderr


def test_without_the_package_every_command_says_how_to_get_it(absent, tmp_path):
    remedy = "python -m pip install -c constraints.txt -e '.[cutest]'"
    listed = CliRunner().invoke(app, ["list"], env={"COLUMNS": "400"})
    assert listed.exit_code == 0 and remedy in listed.stdout and "cutest-rosenbr" in listed.stdout
    asked = CliRunner().invoke(app, ["run", "--problem", "cutest-rosenbr", "--store", str(tmp_path)])
    assert asked.exit_code == 2 and remedy in asked.stderr and len(asked.stderr.splitlines()) == 1
    suite = CliRunner().invoke(app, ["run", "--suite", "cutest", "--store", str(tmp_path)])
    left_out, error = suite.stderr.splitlines()
    assert suite.exit_code == 2 and f"({len(CUTEST)} of them): " in left_out and remedy in left_out
    assert error.startswith("error: ")
    for arguments in (["list", "cutest-rosenbr"], ["derivatives", "cutest-rosenbr"]):
        outcome = CliRunner().invoke(datasets_app, arguments)
        assert outcome.exit_code == 2 and remedy in outcome.stderr


def test_derivatives_are_checked_from_the_command_line(fake):
    outcome = CliRunner().invoke(datasets_app, ["derivatives", "cutest-rosenbr", "mgh-beale"])
    assert outcome.exit_code == 0 and outcome.stdout.count("agree") == 2


def test_names_that_share_a_reason_share_a_sentence():
    assert sentences({"a": "x", "b": "y", "c": "x"}) == ["a, c: x", "b: y"]
    assert sentences(dict.fromkeys("abcde", "x")) == ["a ... e (5 of them): x"]


# --- the table of names and minima


def test_each_problem_has_one_name_and_each_minimum_a_problem_and_one_source():
    assert [problem.source for problem in CUTEST] == list(SIZES) and not set(SIZES) & set(LEFT_OUT)
    assert len({problem.name for problem in CUTEST}) == len(CUTEST) > 200 and max(SIZES.values()) == 50
    known = [*ATTAINED, *BOUNDS, *STATED, *CERTIFIED]
    assert len(set(known)) == len(known) > 150 and set(known) < set(SIZES)
    assert set(LOCAL) < set(known)
    assert all(value > cutest.known_minimum(source).value for source in LOCAL for value in LOCAL[source])
    for value, digits in STATED.values():  # found again to the last digit that is stated, which may have been cut off
        mantissa, _, power = digits.replace("E", "D").partition("D")
        last = 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
        assert abs(value - float(mantissa) * 10.0 ** int(power or 0)) <= last * (1 + 1e-9)


@NEEDS
def test_the_table_has_every_unconstrained_problem_of_the_package_with_at_most_fifty_variables():
    with (s2mpj.folder().parent / "probinfo_python.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["ptype"] == "u" and int(row["dim"]) <= 50]
    assert all(row["isgrad"] == row["ishess"] == "1" for row in rows)
    found = {row["problem_name"]: int(row["dim"]) for row in rows}
    assert {name: n for name, n in found.items() if name not in LEFT_OUT} == SIZES
    assert set(LEFT_OUT) < set(found)


@NEEDS
@pytest.mark.parametrize("problem", SAMPLE, ids=lambda problem: problem.name)
def test_values_and_derivatives_are_those_of_the_package_and_of_each_other(problem):
    built, (theirs, _) = build(problem.name), s2mpj.load(problem.source)
    assert len(built.x0) == problem.n
    point = built.objective.at(built.x0)
    value, g, H = theirs.fgHx(theirs.x0.ravel())
    assert float(point.value) == pytest.approx(value, rel=1e-12)
    for ours, other in ((point.gradient, g.ravel()), (point.hessian, H.toarray())):
        assert np.abs(ours.numpy() - other).max() <= 1e-12 * max(np.abs(other).max(), 1e-300)
    assert CliRunner().invoke(datasets_app, ["derivatives", problem.name]).exit_code == 0


@NEEDS
@pytest.mark.parametrize("source", [name for name, why in LEFT_OUT.items() if "Hessian" in why])
def test_the_hessians_that_are_left_out_are_wrong(source):
    problem, _ = s2mpj.load(source)
    x0 = torch.from_numpy(problem.x0.ravel().astype(float))
    found = differences(S2MPJ(GroupSum(problem)), torch.where(x0 == 0, 0.01, 1.01 * x0))
    assert found.gradient < 1e-5 < found.hessian


@NEEDS
@pytest.mark.parametrize("problem", SAMPLE, ids=lambda problem: problem.name)
def test_no_run_ends_below_the_minimum_that_is_known(problem):
    known = certificate(problem.name)
    if known.no_gap:
        assert cutest.known_minimum(problem.source) is None
        return
    built = build(problem.name)
    ends = [minimize(SOLVERS[name], built.objective, built.x0).value for name in ("trust-region-exact", "lbfgs")]
    assert min(ends) >= known.low - 1e-12 * abs(known.low)


# --- the report


def run_of(problem: str, solver: str, values: list[float], optimum: float, status: str = "converged") -> list[dict]:
    common = {
        "problem": problem,
        "solver": solver,
        "label": solver,
        "machine": "m",
        "run": f"{problem}-{solver}",
        "status": status,
    }
    common |= {"no_gap": "" if optimum == optimum else "f* is not known", "optimum": optimum}
    return [common | {"iteration": i, "value": value} for i, value in enumerate(values)]


def test_the_report_counts_who_arrives_at_a_minimum_or_at_the_lowest_value_that_was_found(tmp_path):
    frame = pd.DataFrame(
        [
            *run_of("cutest-rosenbr", "one", [24.2, 1.0, 1e-9], 0.0),
            *run_of("cutest-rosenbr", "two", [24.2, 1.0, 0.5], 0.0, "stalled"),
            *run_of("cutest-cliff", "one", [8.0, 0.3], math.nan),
            *run_of("cutest-cliff", "two", [8.0, 0.2], math.nan),
            *run_of("iris", "one", [8.0, 0.2], 0.2),
        ]
    )
    ends = solved_runs(frame)
    table = solved(ends).set_index("solver")
    assert table["f* known"].to_dict() == {"one": "1 of 1", "two": "0 of 1"}
    assert table["f* not known"].to_dict() == {"one": "0 of 1", "two": "1 of 1"}
    assert table["stalled"].to_dict() == {"one": 0, "two": 1}
    cells = by_problem(ends).set_index("problem")
    assert cells.loc["cutest-rosenbr", ["one", "two"]].tolist() == ["2", "stalled"]
    assert cells.loc["cutest-cliff", ["one", "two"]].tolist() == ["converged", "1"]
    assert "iris" not in cells.index and cells.loc["cutest-cliff", "lowest"] == 0.2
    assert collection_section(frame[frame["problem"] == "iris"], tmp_path) is None
