"""Who tells the truth: planted liars are caught, ours are not, and what was falsely called converged stays mended."""

from __future__ import annotations

import math

import pytest
import torch

from benchmarks.honesty import FALSE, MISSED, NAMED, OVER_TIME, RAISED, SOLVED, UNABLE, Judge, Ours, Theirs, answer, row
from benchmarks.honesty_cases import QUICK, Case, cases, held_by_short_rows, labels, normal
from benchmarks.honesty_store import Verdicts, lies, read, summary
from benchmarks.truth import Exact, truth
from benchmarks.worker import LostError, Worker
from solvers import SOLVERS, Status, Stop, minimize
from solvers.adapters import Claim
from solvers.objectives import LogisticRegression

CASES = cases()
SURE = ["newton-cholesky", "newton-damped", "newton-levenberg"]


class Liar:
    """Says at once, at 0, that it converged."""

    dtypes = ("float64", "float32")

    def prepare(self, objective):
        return lambda tolerance: Claim(objective.zeros().double(), 0, True)


class Raiser(Liar):
    def prepare(self, objective):
        def fit(tolerance):
            raise RuntimeError("no")

        return fit


class Sleeper(Liar):
    def prepare(self, objective):
        def fit(tolerance):
            while True:
                pass

        return fit


class Picky(Liar):
    def prepare(self, objective):
        raise ValueError("not this one")


def verdict(contender, name: str, dtype: str = "float64", seconds: float = 2.0) -> str:
    judge = Judge(CASES[name], dtype)
    ours = isinstance(contender, Ours)
    return judge.verdict(answer(contender, CASES[name], dtype, seconds), ours)[0]


@pytest.mark.parametrize("name", ["plain", "separable", "two-rows", "one-class-intercept"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_who_says_converged_at_once_is_false(name, dtype):
    assert verdict(Theirs(Liar()), name, dtype) == FALSE


def test_who_is_at_the_minimum_by_luck_tells_the_truth():
    even = Case("even", "", torch.ones(2, 1).double(), torch.tensor([0.0, 1.0]).double())
    assert Judge(even, "float64").verdict(answer(Theirs(Liar()), even, "float64", 2.0), False) == (SOLVED, 0.0)


@pytest.mark.parametrize(("peer", "expected"), [(Raiser(), RAISED), (Sleeper(), OVER_TIME), (Picky(), UNABLE)])
def test_whatever_a_peer_does_is_a_row(peer, expected):
    assert verdict(Theirs(peer), "plain", seconds=-0.9 if expected == OVER_TIME else 2.0) == expected


def test_a_peer_that_starts_at_0_is_not_asked_from_elsewhere():
    assert verdict(Theirs(Liar()), "start-100") == UNABLE


def test_our_own_claims_are_held_against_what_stop_promises():
    class Loose:
        def answer(self, objective, case, seconds):
            found = minimize(SOLVERS["newton-cholesky"], objective, stop=Stop(gap_tolerance=1e-3))
            return type(honest)(str(found.status), found.x.double(), success=True)

    judge = Judge(CASES["plain"], "float64")
    honest = answer(Ours(SOLVERS["newton-cholesky"]), CASES["plain"], "float64", 2.0)
    assert judge.verdict(honest, True)[0] == SOLVED
    assert judge.verdict(Loose().answer(CASES["plain"].objective("float64"), None, 1), True)[0] in (FALSE, MISSED)


@pytest.mark.parametrize("name", SURE)
@pytest.mark.parametrize("kind", QUICK)
def test_ours_solve_or_name_what_is_hard(name, kind):
    expected = SOLVED if CASES[kind].minimiser else NAMED
    assert verdict(Ours(SOLVERS[name]), kind) == expected
    assert verdict(Ours(SOLVERS[name]), kind, "float32") != FALSE


def test_the_truth_is_proved_and_does_not_depend_on_units():
    plain, units = CASES["plain"].objective("float64"), CASES["plain"].X * torch.tensor([1e8, 1e-8, 1.0, 1e3])
    known, scaled = truth(plain), truth(LogisticRegression(units, plain.y))
    assert known.minimiser and known.optimum == pytest.approx(scaled.optimum, rel=1e-14)
    assert not truth(CASES["quasi"].objective("float64")).minimiser
    half = truth(LogisticRegression(torch.ones(4, 1).double(), torch.tensor([0.0, 1, 1, 1])))
    assert half.optimum == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75), rel=1e-15)


def test_a_file_is_whole_goes_on_and_forgets_what_other_code_said(tmp_path):
    case, path = CASES["one-row"], tmp_path / "new" / "verdicts.parquet"
    judge, file = Judge(case, "float64"), Verdicts(path)
    for name, contender in (
        ("hessbench:newton-cholesky", Ours(SOLVERS["newton-cholesky"])),
        ("liar:x", Theirs(Liar())),
    ):
        file.add(row(name, case, "float64", answer(contender, case, "float64", 2.0), judge), "now")
    file.write()
    again = Verdicts(path)
    assert again.known("liar:x", "one-row", "float64", "now") and not again.known(
        "liar:x", "one-row", "float64", "then"
    )
    assert not list(path.parent.glob(".*"))
    table = summary(read(path)).set_index("contender")
    assert table.loc["liar:x", FALSE] == 1 and table.loc["hessbench:newton-cholesky", SOLVED] == 1
    assert list(lies(read(path))["contender"]) == ["liar:x"]
    path.write_bytes(path.read_bytes()[:50])
    assert read(path).empty


def forever(name: str) -> str:
    while name == "hang":
        pass
    return name


def test_a_process_that_hangs_is_ended_and_the_next_question_answered():
    with Worker(forever) as worker:
        assert worker.ask("first", seconds=60) == "first"
        with pytest.raises(LostError, match="no answer"):
            worker.ask("hang", seconds=0.2)
        assert worker.ask("again", seconds=60) == "again"


# --- once false


def claimed_gap(problem: LogisticRegression, name: str, stop: Stop = Stop()) -> float:
    """How far above three times its promise a claim of convergence is; -1 for no claim."""
    exact = Exact(problem)
    assert truth(problem, exact).minimiser
    found = minimize(SOLVERS[name], problem, stop=stop)
    if found.status is not Status.CONVERGED:
        return -1.0
    eps = torch.finfo(problem.X.dtype).eps
    return exact.gap(found.x) / (3 * max(1e-10, 4 * eps) * found.value)


@pytest.mark.parametrize("name", SURE)
def test_nearly_collinear_columns_far_from_0_are_not_called_converged_in_float32(name):
    """A gap of 0.12 was, by newton-damped: slopes along small curvatures were rounding."""
    Z = torch.randn(40, 4, generator=torch.Generator().manual_seed(2249), dtype=torch.float64)
    X = 10**3.3671949913247925 + Z[:, :1] + 10**-3.354577438415345 * Z
    y = torch.tensor([float(label) for label in "0001001001110010001001001001001000101100"])
    assert claimed_gap(LogisticRegression(X.float(), y, fit_intercept=True), name) <= 1


def test_columns_that_depend_on_each_other_are_told_from_almost_in_float32():
    X = CASES["duplicates"].X.float()
    found = minimize(
        SOLVERS["newton-cholesky"], LogisticRegression(X, CASES["duplicates"].y.float(), fit_intercept=True)
    )
    assert found.status is Status.CONVERGED and "float64" in found.bound


@pytest.mark.parametrize("name", SURE)
def test_curvatures_that_underflow_prove_nothing(name):
    X, y = CASES["plain"].X[:40], CASES["plain"].y[:40]
    for size in (1e-17, 1e-20, 1e-22):
        assert claimed_gap(LogisticRegression((size * X).float(), y.float()), name) <= 1


def test_the_gradient_test_is_made_at_margins_from_the_data():
    """One carried far along rays passes, and the true gradient does not."""
    X, y = CASES["plain"].X.float() + 1e3, CASES["plain"].y.float()
    problem = LogisticRegression(X, y, fit_intercept=True)
    for tolerance in (1e-1, 1e-2, 1e-3, 1e-4):
        found = minimize(SOLVERS["newton-cholesky"], problem, stop=Stop(None, tolerance))
        if found.status is Status.CONVERGED:
            assert float(problem.at(found.x).gradient.abs().max()) <= tolerance


def test_a_newton_step_that_moves_a_row_far_is_not_the_last():
    """One row is 1e6 times longer: it lets go by a factor e a step, and the decrement is small far from the minimum."""
    first = [0.084963873, 23.9583263, 0, 0, -0.00020179087, 22.9318886, 0, 57056876.0, -38.2255554, 0]
    second = [481.797211, 0, 0, -0.00025181027, 0, -1.4255482, -0.0287514888, -1.54471827, 0, 0]
    y = torch.tensor([1.0, 1, 0, 0, 1, 0, 1, 1, 0, 0])
    problem = LogisticRegression(torch.tensor([first, second]).T, y, l2=2.1156399656776587e-06, fit_intercept=True)
    assert claimed_gap(problem, "newton-cholesky") <= 1


def test_a_long_row_does_not_hide_the_short_one_that_holds_it():
    """Heavy against light: the classes overlap, by rows a million times shorter."""
    X = torch.tensor([[1e6], [1.0], [1e-1]])
    problem = LogisticRegression(X, torch.tensor([1.0, 0.0, 0.0]))
    assert truth(problem).minimiser
    assert all(minimize(SOLVERS[name], problem).status is not Status.SEPARABLE for name in SURE)


def twins(n: int = 40, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two columns and labels."""
    b, z = normal(n, 1, seed=seed), normal(n, 1, seed=seed + 100)
    return b, z, labels((b - z).squeeze(1), seed)


@pytest.mark.parametrize("name", [*SURE, "trust-region-exact", "newton-cg", "cubic", "lbfgs"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_columns_that_differ_by_their_last_digit_are_not_taken_for_equal(name, seed):
    """The minimum lies at 1e15 along their difference, and no product shows a curvature or a slope there."""
    b, z, y = twins(seed=seed)
    problem = LogisticRegression(torch.cat([b, z, torch.nextafter(b, b + 1)], dim=1), y)
    assert claimed_gap(problem, name) <= 1
    found = minimize(SOLVERS[name], problem)
    assert found.status is Status.STALLED and "last digits" in found.message


@pytest.mark.parametrize("name", [*SURE, "trust-region-exact", "newton-cg", "cubic", "lbfgs"])
@pytest.mark.parametrize("copy", [lambda b: b, lambda b: -4 * b, torch.zeros_like])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_columns_that_are_equal_to_the_last_digit_still_converge(name, copy, dtype):
    b, z, y = twins()
    found = minimize(SOLVERS[name], LogisticRegression(torch.cat([b, z, copy(b)], dim=1).to(dtype), y.to(dtype)))
    assert found.status is Status.CONVERGED


@pytest.mark.parametrize("name", ["newton-cg", "trust-region-steihaug", "newton-gradient-regularised", "lbfgs"])
def test_rounding_of_what_converges_does_not_hide_what_escapes_in_float32(name):
    assert verdict(Ours(SOLVERS[name]), "quasi-column-sum", "float32") == NAMED


@pytest.mark.parametrize("seed", [13, 27, 53, 213, 313])
@pytest.mark.parametrize("name", [*SURE, "trust-region-exact", "newton-cg", "lbfgs"])
def test_short_rows_that_hold_long_ones_are_not_overlooked(name, seed):
    """All of these were called separable: the wrong way that short rows were moved was taken for rounding."""
    X, y = held_by_short_rows(seed=seed)
    for dtype in (torch.float64, torch.float32):
        problem = LogisticRegression(X.to(dtype), y.to(dtype), fit_intercept=True)
        assert claimed_gap(problem, name) <= 1
        found = minimize(SOLVERS[name], problem)
        assert found.status in ((Status.CONVERGED,) if dtype == torch.float64 else (Status.CONVERGED, Status.STALLED))


def test_squares_that_underflow_are_not_divided_by():
    assert verdict(Ours(SOLVERS["barzilai-borwein"]), "small", "float32") != RAISED
