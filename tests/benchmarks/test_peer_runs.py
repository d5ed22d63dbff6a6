"""Runs of peers: solves of growing length as one trace, what they report, and which are left out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from benchmarks.command import cases as chosen_cases
from benchmarks.command.main import app
from benchmarks.runner import peers as peer_runs
from benchmarks.runner.measure import evaluate, measure
from benchmarks.runner.peers import iteration_limits, refusal, run_peer
from benchmarks.runner.suites import Case, beside, peers, quick
from datasets import build
from reports.data.repeats import ended
from reports.data.runs import tell_apart
from reports.figures import style
from reports.findings.correctness import false_convergence
from reports.tables.convergence_claims import convergence_claims
from solvers import SOLVERS, Status, Stop
from solvers.adapters import PEERS, Claim, MissingPeerError, base
from solvers.objectives import FunctionObjective

PROBLEM = "breast-cancer-l2"


class Clock:
    """Stands still, but for what a fake solve adds to it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Fake:
    """Goes `iterations` of its way of `steps`, a second each after ten of setting up, and then claims success."""

    clock: ClassVar[Clock] = Clock()
    steps: int = 4
    honest: bool = True
    iterations: int = 100
    dtypes: tuple[str, ...] = ("float64",)
    takes_any_objective: ClassVar[bool] = False
    needs: ClassVar[str] = "gradient"

    def prepare(self, objective, start=None):
        self.clock.now += 1000.0  # off the clock

        def fit(tolerance):
            taken = min(self.iterations, self.steps)
            self.clock.now += 10.0 + taken
            w = torch.full((objective.size,), taken / self.steps, dtype=torch.float64)
            return Claim(w, taken, self.honest and self.iterations > self.steps, "there")

        return fit


@pytest.fixture
def run(monkeypatch):
    def run(stop=Stop(), **settings):
        fake = Fake(**settings)
        monkeypatch.setitem(PEERS, "fake:method", fake)
        return run_peer("fake:method", fake, build(PROBLEM), stop, Fake.clock)

    return run


def test_each_point_is_a_solve_of_its_own_and_only_solving_is_on_the_clock(run):
    result = run()
    assert result.trace.iterations == [0, 1, 2, 3, 4] and result.trace.seconds == [0.0, 11.0, 12.0, 13.0, 14.0]
    assert [float(x[0]) for x in result.trace.iterates] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert result.status is Status.CONVERGED and result.message == "fake claims: there"
    assert result.seconds == 14.0 and all(math.isnan(count) for count in result.trace.counts[-1])


def test_a_peer_that_stops_without_success_has_stalled_and_one_at_its_limit_reports_the_limit(run):
    stalled = run(honest=False)
    assert stalled.status is Status.STALLED and stalled.message == "fake does not claim success: there"
    assert stalled.trace.iterations == [0, 1, 2, 3, 4]
    limit = run(Stop(iterations=3))
    assert limit.status is Status.ITERATION_LIMIT and limit.iterations == 3 and limit.message.startswith("3 iterations")


def test_a_solve_over_the_time_limit_is_not_recorded_but_its_time_counts(run):
    result = run(Stop(seconds=12.5))
    assert result.status is Status.TIME_LIMIT and result.trace.iterations == [0, 1, 2] and result.seconds == 13.0


def test_iteration_limits_are_dense_at_first_then_eight_a_decade_and_end_at_the_most():
    found = list(iteration_limits(1000))
    assert found[:12] == [*range(1, 11), 13, 18] and found[-1] == 1000 and found == sorted(set(found))
    assert sum(found) < 5 * 1000  # what all solves cost together
    assert (
        list(iteration_limits(1)) == [1]
        and list(iteration_limits(11)) == [*range(1, 12)]
        and not list(iteration_limits(0))
    )


def test_a_claim_far_from_the_minimum_is_judged_as_any_other_run(run):
    run()  # registers the fake, whose w = 1 is no minimiser
    measurement = measure(Case(PROBLEM, "fake:method"))
    assert measurement.status is Status.CONVERGED
    frame = tell_apart(pd.DataFrame([{"run": "r", "machine": "m"} | row for row in evaluate(measurement)]))
    (row,) = convergence_claims(frame).to_dict("records")
    assert (row["converged"], row["false"]) == (1, 1)
    assert ended(frame.iloc[-1]) == "converged (its claim)"
    ours = frame.assign(solver="newton", label="newton")
    assert ended(ours.iloc[-1]) == "converged"
    assert list(false_convergence(ours)) and not list(false_convergence(frame))  # a headline is about solvers of ours


def test_a_peer_that_raises_is_a_row_with_its_error(run, monkeypatch):
    run()
    monkeypatch.setattr(Fake, "prepare", lambda *_: lambda tolerance: 1 / 0)
    measurement = measure(Case(PROBLEM, "fake:method"))
    assert (measurement.status, measurement.message) == (Status.ERROR, "ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    ("name", "problem", "dtype", "stop", "word"),
    [
        ("scikit-learn:liblinear", "iris", "float64", Stop(), "logistic regression alone"),
        ("snapml:logistic", PROBLEM, "float64", Stop(), "float32 alone"),
        ("scipy:BFGS", PROBLEM, "float64", Stop(gap_tolerance=None), "none for the gap"),
        ("scipy:BFGS", "iris", "float64", Stop(), ""),
    ],
)
def test_what_a_peer_cannot_do_is_a_reason_in_words(name, problem, dtype, stop, word):
    reason = refusal(name, build(problem, getattr(torch, dtype)), stop)
    assert (word in reason) if word else reason == ""


def test_a_library_that_is_not_installed_is_left_out_by_name_and_alone_ends_the_command(tmp_path, monkeypatch):
    def absent(module):
        raise ModuleNotFoundError(f"No module named {module!r}")

    monkeypatch.setattr(base, "import_module", absent)
    options = ["run", "--peer", "glum:irls-ls", "--problem", PROBLEM, "--repeats", "1", "--store", str(tmp_path)]
    alone = CliRunner().invoke(app, options)
    assert alone.exit_code == 2 and "glum is not installed: python -m pip" in alone.stderr
    beside_ours = CliRunner().invoke(app, [*options, "--solver", "newton"])
    assert beside_ours.exit_code == 0 and "left out glum:irls-ls on breast-cancer-l2: glum" in beside_ours.stderr
    assert "1 runs measured" in beside_ours.stderr


@pytest.mark.parametrize("name", ["scipy:trust-exact", "scipy:L-BFGS-B", "scipy:Newton-CG", "torch.optim:LBFGS"])
def test_general_peers_take_any_objective_from_any_start(name):
    """Rosenbrock's function by autograd, from its usual start."""
    start = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    rosenbrock = FunctionObjective(lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2)
    claim = PEERS[name].prepare(rosenbrock, start)(1e-8)
    assert torch.allclose(claim.w, torch.ones(2, dtype=torch.float64), atol=1e-4) and start[0] == -1.2


def test_evaluations_of_a_general_peer_are_counted_and_its_points_are_stored():
    rows = evaluate(measure(Case("iris", "scipy:trust-exact")))
    assert rows[0]["iteration"] == 0 and rows[-1]["hessians"] >= rows[-1]["iteration"] > 3
    assert rows[-1]["status"] == "converged" and rows[-1]["message"].startswith("scipy claims: ")
    assert rows[-1]["gap"] < 1e-8 < rows[1]["gap"]


def test_an_optimiser_of_torch_is_imported_before_the_clock(logistic, monkeypatch):
    from solvers.adapters import torch_lbfgs

    woken = []
    monkeypatch.setattr(torch_lbfgs, "import_compiler", lambda: woken.append(1))
    fit = PEERS["torch.optim:LBFGS"].prepare(logistic(l2=0.1))
    assert woken == [1]
    fit(1e-3)
    assert woken == [1]


def test_statsmodels_names_what_it_cannot_express(logistic):
    newton = PEERS["statsmodels:newton"]
    try:
        newton.prepare(logistic())
    except MissingPeerError as error:
        pytest.skip(str(error))
    for other, word in ((logistic(l2=0.1), "penalty"), (logistic(csr=True), "dense"), (logistic(soft=True), "labels")):
        with pytest.raises(ValueError, match=word):
            newton.prepare(other)


def test_statsmodels_is_given_zeros_a_column_of_ones_and_the_tolerance(logistic, monkeypatch):
    """With a stand-in for the library: always run."""
    from types import SimpleNamespace

    from solvers.adapters import stats_models

    given = {}

    class Logit:
        def __init__(self, y, X):
            given["X"] = X

        def fit(self, start, **options):
            given.update(options, start=start)
            return SimpleNamespace(params=start + 1, mle_retvals={"iterations": 3, "converged": False})

    def add_constant(X, prepend, has_constant):
        assert not prepend and has_constant == "add"
        return torch.cat([torch.as_tensor(X), torch.ones(len(X), 1, dtype=torch.float64)], dim=1).numpy()

    library = SimpleNamespace(Logit=Logit, add_constant=add_constant)
    monkeypatch.setattr(stats_models, "require", lambda module, package: library)
    claim = replace(PEERS["statsmodels:newton"], iterations=7).prepare(logistic(fit_intercept=True))(1e-5)
    assert given["X"].shape == (60, 5) and (given["X"][:, -1] == 1).all() and not given["start"].any()
    assert (given["maxiter"], given["tol"]) == (7, 1e-5) and (claim.iterations, claim.success) == (3, False)


# --- suites, names and looks


def test_the_suite_of_peers_meets_the_problems_of_quick_by_its_rules_and_in_a_precision_each_has():
    cases = peers()
    assert {case.solver for case in cases} == set(PEERS) and {c.rules for c in cases} == {c.rules for c in quick()}
    assert {case.problem for case in cases} == {case.problem for case in quick()}
    assert all(case.dtype in PEERS[case.solver].dtypes for case in cases)
    assert not beside([Case(PROBLEM, "newton", stop=Stop(gap_tolerance=None))], PEERS)


def test_peers_are_measured_alone_or_beside_the_solvers_that_are_named():
    def named(solvers):
        cases = chosen_cases.cases_of([], [PROBLEM], solvers, [], [], [], 1, None, ["scipy:BFGS"])
        return {case.solver for case in cases}

    assert named([]) == {"scipy:BFGS"} and named(["newton"]) == {"newton", "scipy:BFGS"}
    with pytest.raises(ValueError, match="did you mean scipy:BFGS"):
        chosen_cases.cases_of([], [], [], [], [], [], 1, None, ["scipy:BFG"])


def test_the_version_of_its_library_is_part_of_the_case(monkeypatch):
    case, ours = Case(PROBLEM, "scipy:BFGS"), Case(PROBLEM, "newton")
    before = case.key, ours.key
    monkeypatch.setattr("benchmarks.runner.suites.installed", lambda name: "99")
    assert case.key != before[0] and ours.key == before[1]
    assert not peer_runs.installed("no-such-library:method")


def test_no_two_solvers_or_peers_look_alike_and_peers_are_hollow():
    looks = {name: (*style.look(name), style.face(name)) for name in (*SOLVERS, *PEERS)}
    assert len(set(looks.values())) == len(looks)
    assert all((look[2] == "white") == (name in PEERS) for name, look in looks.items())
    assert style.look("somebody-else") == style.look("somebody-else") and style.line(0, "scipy:BFGS") != style.line(0)
