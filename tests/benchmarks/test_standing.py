"""How ours stand, computed by hand: beside libraries as their users call them, and beside methods on our objective."""

from __future__ import annotations

import math

import pytest

from benchmarks.scoreboard import beforehand
from benchmarks.scoreboard import sweep as sweeping
from benchmarks.scoreboard.contenders import CONTENDERS, PROBLEMS, measure_problem, timed
from benchmarks.scoreboard.standing import geometric_mean, overall, standing
from benchmarks.scoreboard.sweep import sweep
from benchmarks.scoreboard.timing import LARGE, MISSING, REACHED, SHORT, SLOW, UNFIT, ScoreboardProblem
from datasets import build, certificate
from datasets.registry import recipe
from reports.tables.scoreboard import best_methods, best_peers, over_all
from solvers.adapters import PEERS

OURS, LIBRARY, SKLEARN, METHOD = "hessbench:auto", "scipy-numpy:BFGS", "scikit-learn:lbfgs", "scipy:BFGS"


def entry(seconds: float | None) -> dict:
    best = {"layout": "dense", "dtype": "float64", "tolerance": 1e-4, "gap": 1e-8, "iterations": 5}
    if seconds is None:
        return {"status": SHORT, "message": "", "best": None, "seconds": []}
    return {"status": REACHED, "message": "", "best": best, "seconds": [seconds] * 6}


def result(problem: str, **seconds: float | None) -> dict:
    names = {"ours": OURS, "library": LIBRARY, "sklearn": SKLEARN, "method": METHOD}
    entries = {names[name]: entry(value) for name, value in seconds.items()}
    return {"problem": problem, "density": 1.0, "entries": entries, "on_our_objective": [METHOD]}


RESULTS = [
    result("a", ours=1.0, library=4.0, sklearn=2.0, method=1.5),
    result("b", ours=1.0, library=0.5, sklearn=8.0, method=0.25),
    result("c", ours=1.0, library=1.1, sklearn=None, method=1.0),
    result("d", ours=1.0, library=None, sklearn=None, method=None),
    result("e", ours=None, library=1.0, sklearn=None, method=None),
]


def test_a_library_as_its_user_calls_it_and_a_method_on_our_objective_are_kept_apart():
    first, second, *_ = map(standing, RESULTS)
    assert (first.peer.contender, first.scikit_learn.contender, first.method.contender) == (SKLEARN, SKLEARN, METHOD)
    assert second.peer.contender == LIBRARY and second.verdict == "lost"
    assert standing(result("f", ours=1.0, method=0.5)).verdict == "won"  # a method with our kernels is no library


def test_the_ratios_over_all_problems_are_those_of_a_hand():
    found = overall(map(standing, RESULTS), "peer")  # ratios 2, 0.5, 1.1; d is won and e lost without one
    assert found.mean == pytest.approx((2 * 0.5 * 1.1) ** (1 / 3)) and (found.problems, found.ratios) == (5, 3)
    assert (found.worst, found.worst_problem, found.close) == (0.5, "b", 2)
    assert (found.won, found.lost, found.undecided) == (3, 2, 0)
    methods = overall(map(standing, RESULTS), "method")  # ratios 1.5, 0.25, 1
    assert methods.mean == pytest.approx(0.375 ** (1 / 3)) and (methods.won, methods.lost) == (2, 1)
    assert overall(map(standing, RESULTS), "scikit_learn").mean == pytest.approx(4.0)


def test_over_no_problem_there_is_no_ratio():
    found = overall([], "peer")
    assert math.isnan(found.mean) and found.worst_problem == "" and found.problems == 0
    assert math.isnan(geometric_mean([math.nan])) and geometric_mean([2.0, math.nan, 8.0]) == pytest.approx(4.0)


def test_the_tables_say_which_comparison_they_make():
    peers = best_peers(RESULTS).set_index("problem")
    assert peers["best peer"].tolist()[:4] == [SKLEARN, LIBRARY, LIBRARY, "none reaches the gap"]
    assert peers["faster"].tolist() == ["ours", "the peer", "ours", "ours", "the peer", ""]
    methods = best_methods(RESULTS).set_index("problem")
    assert (
        methods["faster"].tolist()[:3] == ["ours", "the method", "undecided"] and methods["ratio"].iloc[-1] == "0.721"
    )
    table = over_all(RESULTS).set_index("ours against")
    assert table["worst"].tolist() == ["0.5 (b)", "2 (a)", "0.25 (b)"] and table["lost"].tolist() == [2, 0, 1]


def test_tables_without_any_other_library_have_dashes_and_say_so():
    alone = [result("a", ours=1.0)]
    assert best_peers(alone)["best peer"].iloc[0] == "none that fits it is installed"
    assert best_peers(alone)["faster"].iloc[0] == best_methods(alone)["faster"].iloc[0] == "-"
    assert over_all(alone)["geometric mean"].tolist() == ["-"] * 3


@pytest.fixture
def softmax() -> ScoreboardProblem:
    known = certificate("iris")
    return ScoreboardProblem(build("iris"), known.optimum, (known.high - known.low) / 2)


def test_a_matrix_that_does_not_fit_the_memory_is_not_begun_and_the_row_says_so(softmax, monkeypatch):
    peer = PEERS["scikit-learn:newton-cholesky"]
    assert not beforehand.too_large(peer, softmax.exact)
    monkeypatch.setattr(
        beforehand, "memory", lambda device: 8 * beforehand.MATRICES * 15**2 - 1
    )  # 3 classes x 5 weights
    monkeypatch.setattr(sweeping, "timed", lambda *arguments: pytest.fail("it was started"))
    entry, fit = sweep(peer, softmax, 1.0)
    assert entry.status == LARGE and fit is None and "3 matrices of 15 x 15" in entry.message
    assert sweep(PEERS["scipy:trust-exact"], softmax, 1.0)[0].status == LARGE  # on our objective, too
    assert not beforehand.too_large(PEERS["scikit-learn:lbfgs"], softmax.exact)
    assert not beforehand.too_large(CONTENDERS[OURS], softmax.exact)
    assert sweep(CONTENDERS["hessbench:newton-cholesky"], softmax, 1.0)[0].status == LARGE  # ours, too


def test_a_factor_that_takes_longer_than_a_fit_may_is_not_begun(softmax, monkeypatch):
    monkeypatch.setattr(beforehand, "LEAST_ORDER", 15)
    monkeypatch.setattr(beforehand, "calibration", lambda *arguments: {"gemm_gflops": 1e-9 * 15**3 / 3 / 2.0})
    timed = sweeping.timed
    monkeypatch.setattr(sweeping, "timed", lambda *arguments: pytest.fail("it was started"))
    assert sweep(PEERS["glum:irls-ls"], softmax, 1.9)[0].status in (UNFIT, MISSING)  # which is said first
    for name in ("hessbench:newton-cholesky", "scikit-learn:newton-cholesky"):
        entry, fit = sweep(CONTENDERS[name], softmax, 1.9)
        assert entry.status == SLOW and fit is None and "a factor of 15 x 15 takes 2.0 s" in entry.message
    monkeypatch.setattr(sweeping, "timed", timed)
    assert sweep(CONTENDERS["hessbench:newton-cholesky"], softmax, 2.1)[0].status == REACHED
    assert not beforehand.too_long(CONTENDERS[OURS], softmax.exact, 0.1)  # it needs products alone


def test_our_matrices_have_the_order_of_the_rows_where_these_are_fewer():
    wide = build("synthetic-wide").objective
    n, d = wide.X.shape
    ours, theirs = CONTENDERS["hessbench:newton-cholesky"], PEERS["scikit-learn:newton-cholesky"]
    assert (beforehand.order(ours, wide), beforehand.order(theirs, wide)) == (n, d) and n < d
    assert beforehand.order(ours, wide.over(wide.X.to_sparse_csr())) == d  # of a sparse X there is no reduction


def test_a_library_of_another_model_is_left_out_of_that_problem_alone(softmax):
    entry, fit = sweep(PEERS["scikit-learn:liblinear"], softmax, 5.0)
    assert entry.status == UNFIT and fit is None and "logistic regression alone" in entry.message
    assert sweep(PEERS["scikit-learn:lbfgs"], softmax, 5.0)[0].status == REACHED


def test_softmax_races_and_each_contender_is_of_the_kind_that_it_is():
    names = [OURS, SKLEARN, METHOD, "scipy-numpy:L-BFGS-B", "torch-autograd:LBFGS"]
    found = measure_problem("iris", 1, names, 1, 20.0)
    assert found["on_our_objective"] == [METHOD] and (found["n"], found["d"]) == (105, 4)
    assert {entry["status"] for entry in found["entries"].values()} == {REACHED}


def test_the_scoreboard_has_every_kind_of_problem_and_every_library():
    assert len(PROBLEMS) >= 14 and len(set(PROBLEMS)) == len(PROBLEMS) and all(map(recipe, PROBLEMS))
    assert {name.split(":")[0] for name in timed()} >= {"scipy-numpy", "torch-autograd", "statsmodels", "scikit-learn"}
    on_ours = {name.split(":")[0] for name in PEERS if CONTENDERS[name].takes_any_objective}
    assert on_ours == {"scipy", "torch.optim", "pytorch-minimize"}
