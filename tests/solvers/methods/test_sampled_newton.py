"""Newton on a sample: a few passes over many rows, and the whole method where there is nothing to sample from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from solvers import SOLVERS, Status, Stop, minimize
from solvers.approximate.limited_memory import Pair, remember, two_loop
from solvers.linalg.kernels import take_rows
from solvers.objectives import LogisticRegression
from solvers.objectives.newton_system import newton_direction
from tests.solvers.helpers import normal

SAMPLED = SOLVERS["newton-sampled"]


def test_the_two_loops_are_the_bfgs_matrix():
    """H+ = (I - rho s y^T) H (I - rho y s^T) + rho s s^T, from gamma M^-1 on (Nocedal & Wright, eq. 6.17)."""
    d = 6
    root, g = normal(d, d), normal(d, seed=9)
    M = root @ root.T + torch.eye(d, dtype=torch.float64)
    A = torch.eye(d, dtype=torch.float64) * torch.arange(1, d + 1)
    steps = [normal(d, seed=k) for k in range(1, 4)]
    pairs = ()
    for s in steps:
        pairs = remember(pairs, s, A @ s, memory=5)
    y, inverse = A @ steps[-1], torch.linalg.inv(M)
    B = inverse * (torch.dot(steps[-1], y) / torch.dot(y, inverse @ y))
    for s in steps:
        y = A @ s
        left = torch.eye(d, dtype=torch.float64) - torch.outer(s, y) / torch.dot(s, y)
        B = left @ B @ left.T + torch.outer(s, s) / torch.dot(s, y)
    assert torch.allclose(two_loop(g, pairs, lambda v: inverse @ v), B @ g, rtol=1e-12, atol=1e-13)
    assert torch.allclose(two_loop(A @ steps[-1], pairs, lambda v: inverse @ v), steps[-1])  # the secant equation


def test_only_pairs_with_positive_curvature_are_remembered_and_the_oldest_goes_first():
    s, y = normal(3), normal(3)
    kept = (Pair(s, s, 1.0), Pair(y, y, 2.0))
    assert remember(kept, s, -s, memory=2) == kept
    assert [pair.curvature for pair in remember(kept, 2 * s, s, memory=2)] == [2.0, float(2 * torch.dot(s, s))]


@pytest.mark.parametrize("csr", [False, True])
def test_rows_are_taken_in_order_and_twice_where_they_are_named_twice(logistic, csr):
    X = logistic(csr=csr).X
    rows = torch.tensor([3, 0, 3, 59])
    dense = X.to_dense() if csr else X
    assert torch.equal(take_rows(X, rows), dense[rows])
    assert take_rows(X, rows[:0]).shape == (0, 4)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("intercept", [False, True])
def test_the_samples_of_a_partition_average_to_the_objective(logistic, reduction, intercept):
    f = logistic(l2=0.3, reduction=reduction, fit_intercept=intercept)
    w = normal(f.size)
    parts = [f.sample(rows).at(w) for rows in torch.randperm(60).view(6, 10)]
    point = f.at(w)
    for name in ("value", "gradient", "hessian"):
        average = sum(getattr(part, name) for part in parts) / 6
        assert torch.allclose(average, getattr(point, name), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("settings", [{"l2": 1e-3}, {"reduction": "sum"}, {"fit_intercept": True, "l2": 1e-4}])
@pytest.mark.parametrize("csr", [False, True])
def test_many_rows_need_no_whole_hessian_before_the_test(logistic, settings, csr):
    f = logistic(4000, 8, csr=csr, **settings)
    result = minimize(SAMPLED, f)
    best = minimize(SOLVERS["newton-cholesky"], f, stop=Stop(0.0))
    assert result.status == Status.CONVERGED
    assert abs(result.value - best.value) <= 1e-10 * abs(best.value)
    assert result.counters["sample_hessians"] >= 2 and result.counters["hessians"] <= result.counters["stopping_tests"]
    first = float(f.at(result.trace.iterates[1]).value)
    unit, m = f.scale * 4000, len(SAMPLED.rows(f.at(f.zeros())))
    assert first - best.value < 4 * unit * f.size / (2 * m)  # what the minimiser of a sample is off by


def test_a_rare_column_that_the_sample_lacks_is_found(logistic):
    f = logistic(4000, 5, l2=1e-4)
    rare = torch.zeros(4000, 1, dtype=torch.float64)
    rare[17] = 30.0
    X = torch.cat([f.X, rare], dim=1).to_sparse_csr()
    objective = LogisticRegression(X, f.y, l2=1e-4)
    start = objective.at(objective.zeros())
    assert 17 not in SAMPLED.rows(start)
    proposal = SAMPLED.propose(start, None)
    diagonal = objective.at(proposal.direction).hessian_diagonal  # the start is 0
    assert torch.allclose(proposal.state.factor.scale, diagonal.rsqrt())
    assert minimize(SAMPLED, objective).status == Status.CONVERGED


@pytest.mark.parametrize("memory", [1, 3])
def test_a_factor_that_was_not_enough_is_replaced_by_that_of_all_rows(logistic, memory):
    """One step to the sample's minimiser, one without a pair, and one for each pair that is remembered."""
    f = logistic(4000, 8)
    for steps, hessians in ((memory + 2, 0), (memory + 3, 1), (2 * memory + 3, 1), (2 * memory + 4, 2)):
        result = minimize(replace(SAMPLED, memory=memory), f, stop=Stop(None, iterations=steps))
        assert result.counters["hessians"] == hessians


@pytest.mark.parametrize("n", [60, 300])
def test_with_few_rows_it_is_newton_cholesky(logistic, n):
    f = logistic(n, 8, l2=1e-3)
    ours, whole = (minimize(SOLVERS[name], f) for name in ("newton-sampled", "newton-cholesky"))
    assert ours.counters == whole.counters and torch.equal(ours.x, whole.x)


def test_the_seed_decides_the_path_and_not_the_end(logistic):
    f = logistic(4000, 8, l2=1e-3)
    tight = Stop(gap_tolerance=1e-14)  # at which the coefficients agree to half of the digits
    runs = [minimize(replace(SAMPLED, seed=seed), f, stop=tight) for seed in (0, 0, 1)]
    assert torch.equal(runs[0].trace.iterates[1], runs[1].trace.iterates[1])
    assert not torch.equal(runs[0].trace.iterates[1], runs[2].trace.iterates[1])
    assert torch.allclose(runs[0].x, runs[2].x, atol=1e-5)


def test_separable_rows_are_named_as_such():
    X = normal(4000, 4)
    y = (X[:, 0] > 0).double()
    assert minimize(SAMPLED, LogisticRegression(X, y)).status == Status.SEPARABLE


def test_rows_sorted_by_class_do_not_matter(logistic):
    f = logistic(4000, 8, l2=1e-3)
    order = f.y.argsort()
    result = minimize(SAMPLED, LogisticRegression(f.X[order], f.y[order], l2=1e-3))
    assert result.status == Status.CONVERGED and result.counters["hessians"] <= 1


@pytest.mark.parametrize("n", [40, 4000])
@pytest.mark.parametrize("name", ["auto", "newton-sampled"])
def test_where_nothing_moves_any_more_it_stalls(name, n):
    """float32 columns that differ by less than their mean is known: no run to the iteration limit."""
    X = normal(n, 3)
    X = (torch.cat([X, X[:, :1] + 1e-4 * normal(n, 1, seed=1)], dim=1) + 100).float()
    y = (torch.rand(n, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    result = minimize(SOLVERS[name], LogisticRegression(X, y, l2=1e-7))
    assert result.status in (Status.STALLED, Status.CONVERGED) and result.iterations < 100


def test_a_step_that_led_nowhere_is_followed_by_the_exact_one_and_then_by_none(logistic):
    f = logistic(4000, 8, l2=1e-3)
    start = f.at(f.zeros())
    stuck = SAMPLED.propose(start, None).state._replace(last=start)
    proposal = SAMPLED.propose(start, stuck)
    assert torch.equal(proposal.direction, newton_direction(start)) and proposal.state is stuck


def test_a_pair_of_no_size_in_the_metric_changes_no_length():
    s = normal(3)
    pairs = (Pair(s, s, 1.0),)
    assert bool(two_loop(s, pairs, lambda v: 0 * v).isfinite().all())


# --- more columns than rows


def wide(dtype: torch.dtype = torch.float64, n: int = 20, d: int = 60, **options) -> LogisticRegression:
    generator = torch.Generator().manual_seed(2)
    X = torch.randn(n, d, generator=generator, dtype=torch.float64)
    y = torch.bernoulli(torch.sigmoid(X[:, 0]), generator=generator)
    return LogisticRegression(X.to(dtype), y.to(dtype), l2=1e-2, **options)


@pytest.mark.parametrize("options", [{}, {"reduction": "sum"}])
def test_in_the_coordinates_of_the_rows_f_is_the_same(options):
    f = wide(**options)
    reduced = f.in_row_space()
    u = torch.linspace(-1, 1, 20, dtype=torch.float64)
    w = f.X.T @ torch.linalg.solve(reduced.X.T, u)
    torch.testing.assert_close(reduced.at(u).value, f.at(w).value)
    torch.testing.assert_close(u.norm(), w.norm())
    torch.testing.assert_close(reduced.logits(u), f.logits(w))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_wide_problem_is_solved_in_the_first_step(dtype):
    f = wide(dtype)
    result = minimize(SOLVERS["newton-sampled"], f)
    assert result.status is Status.CONVERGED and result.iterations <= 2 and result.counters["hessians"] == 0
    assert result.value == pytest.approx(minimize(SOLVERS["newton-cholesky"], f).value, rel=1e-6)
    assert "coordinates of the rows" in minimize(SOLVERS["auto"], f).message


def test_dependent_rows_another_start_and_an_intercept_take_the_usual_way():
    f = wide()
    twice = LogisticRegression(torch.cat([f.X, f.X]), torch.cat([f.y, f.y]), l2=1e-2)
    assert twice.in_row_space() is None
    for problem, start in ((twice, None), (f, torch.ones(60, dtype=torch.float64)), (wide(fit_intercept=True), None)):
        result = minimize(SOLVERS["newton-sampled"], problem, start)
        assert result.status is Status.CONVERGED and result.counters["sample_hessians"] == 0
        assert result.value == pytest.approx(minimize(SOLVERS["newton-cholesky"], problem).value, rel=1e-9)
