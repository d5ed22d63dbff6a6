"""A factor that serves several steps: the same minimum with fewer Hessians, and a new one where it serves no more."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from datasets.loaders.sparse import one_hot
from solvers import SOLVERS, Status, Stop, minimize
from solvers.auto import pick
from solvers.newton.reused_factor import GROWTH, ReusedFactorNewton
from solvers.objectives import LogisticRegression

REUSED, CHEBYSHEV = ReusedFactorNewton(), SOLVERS["newton-chebyshev"]


@pytest.fixture(scope="module")
def categories() -> LogisticRegression:
    data = one_hot(2000, 12, (3, 8), seed=1)
    f = LogisticRegression(data.X, data.y, l2=1 / 2000)
    f.hessian_price = 8.0  # with Numba and without
    return f


def test_it_comes_to_the_same_minimum_with_fewer_hessians(categories):
    ours, theirs = (minimize(solver, categories, stop=Stop(gap_tolerance=1e-10)) for solver in (REUSED, CHEBYSHEV))
    assert ours.status is theirs.status is Status.CONVERGED
    assert ours.value == pytest.approx(theirs.value, rel=1e-12)
    assert 0 < ours.counters["hessian_vector_products"] and ours.counters["hessians"] < theirs.counters["hessians"]


def test_sparse_and_dense_rows_give_the_same_iterates_to_rounding(categories):
    dense = categories.over(categories.X.to_dense())
    dense.hessian_price = categories.hessian_price
    stop = Stop(None, iterations=4)
    ours, theirs = (minimize(REUSED, f, stop=stop) for f in (categories, dense))
    assert ours.counters["hessian_vector_products"] == theirs.counters["hessian_vector_products"] > 0
    torch.testing.assert_close(ours.x, theirs.x, rtol=1e-9, atol=1e-9)


def systems(f: LogisticRegression, steps: int, solver=REUSED) -> list[int]:
    """Products with the Hessian of each step from 0; 0: it was factored."""
    point, state, found = f.at(f.zeros()), None, []
    for _ in range(steps):
        point, state = solver.step(point, state)
        found.append(state.products)
    return found


def test_a_system_that_takes_too_many_products_is_given_up_for_a_new_factor(categories, monkeypatch):
    reused = systems(categories, 3)
    assert reused[0] == 0 and reused[1] > 0 and reused[2] > 0
    monkeypatch.setattr(categories, "hessian_price", GROWTH * reused[1] - 0.1)  # the next is expected to take more
    assert systems(categories, 3)[2] == 0
    monkeypatch.setattr(categories, "hessian_price", 0.5)  # a Hessian is cheaper than one product
    assert systems(categories, 3) == [0, 0, 0]
    monkeypatch.setattr(categories, "hessian_price", 1.5)  # one product is not enough for so small a residual
    assert systems(categories, 3, replace(REUSED, forcing=1e-9)) == [0, 0, 0]


def test_where_the_search_fails_the_hessian_is_factored_and_where_that_fails_the_run_stalls(categories, monkeypatch):
    point, state = REUSED.step(categories.at(categories.zeros()), None)
    proposal = REUSED.propose(point, state)
    assert proposal.state.products > 0
    exact = REUSED.propose(point, proposal.state)  # of the same point: the search did not move it
    assert exact.state.products == 0 and exact.state is not proposal.state
    assert REUSED.propose(point, exact.state).state is exact.state  # `minimize` takes that for a rejected step


def test_a_singular_hessian_is_shifted_as_in_newton_cholesky():
    X = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    f = LogisticRegression(X, torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64))
    ours, theirs = (minimize(solver, f, stop=Stop(gap_tolerance=1e-10)) for solver in (REUSED, CHEBYSHEV))
    assert ours.status is theirs.status and ours.value == pytest.approx(theirs.value, rel=1e-12)


@pytest.mark.skipif(find_spec("numba") is None, reason="Numba is not installed: the extra `fast` brings it")
@pytest.mark.parametrize(("settings", "reused"), [((8000, 20, (5, 20)), True), ((4000, 10, (3, 5)), False)])
def test_auto_takes_it_where_a_compiled_hessian_takes_long(settings, reused):
    data = one_hot(*settings)
    f = LogisticRegression(data.X, data.y, l2=1e-3)
    name, _, solver = pick(f.at(f.zeros()))
    assert name == "newton-chebyshev" and isinstance(solver, ReusedFactorNewton) == reused
