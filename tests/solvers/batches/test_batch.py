"""A batch ends each of its problems as `minimize` ends it alone, and none disturbs another."""

from __future__ import annotations

import pytest
import torch

from benchmarks.audit.simulated_cuda import SimulatedCuda
from solvers import SOLVERS, GradientDescent, Status, Stop, minimize, minimize_batch
from solvers.batches.batch import _Batch
from solvers.batches.logistic import BatchLogisticRegression
from solvers.objectives import LogisticRegression

BATCHED = ("newton-cholesky", "newton-levenberg", "gradient-descent-armijo", "gradient-descent")
B, N, D = 12, 40, 3


def data(dtype=torch.float64, batch=B):
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(batch, N, D, generator=generator, dtype=torch.float64)
    w = torch.randn(batch, D, 1, generator=generator, dtype=torch.float64)
    y = torch.bernoulli(torch.sigmoid((X @ w).squeeze(2)), generator=generator)
    return X.to(dtype), y.to(dtype)


def agrees(found, alone, eps):
    assert found.status == alone.status
    scale = max(1.0, float(alone.x.abs().max()))
    if alone.status == Status.CONVERGED:
        assert float((found.x - alone.x).abs().max()) <= eps**0.5 * 100 * scale
        assert found.value == pytest.approx(alone.value, rel=1e3 * eps)
        assert abs(found.iterations - alone.iterations) <= 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("settings", [{"l2": 0.1}, {"l2": 0.1, "fit_intercept": True}, {"l2": 0.0}], ids=str)
@pytest.mark.parametrize("name", ["newton-cholesky", "newton-levenberg"])
def test_each_problem_ends_as_it_does_alone(name, settings, dtype):
    X, y = data(dtype)
    found = minimize_batch(SOLVERS[name], BatchLogisticRegression(X, y, **settings))
    assert dtype == torch.float32 or found.alone == []
    assert set(found.status) == {Status.CONVERGED}
    for k in range(B):
        agrees(found[k], minimize(SOLVERS[name], LogisticRegression(X[k], y[k], **settings)), torch.finfo(dtype).eps)


@pytest.mark.parametrize("solver", [SOLVERS["gradient-descent-armijo"], GradientDescent(learning_rate=1.0)], ids=str)
def test_gradient_methods_end_as_they_do_alone(solver):
    X, y = data()
    stop = Stop(gap_tolerance=1e-6, iterations=500)
    found = minimize_batch(solver, BatchLogisticRegression(X, y, l2=0.1), stop=stop)
    assert set(found.status) == {Status.CONVERGED}
    for k in range(B):
        alone = minimize(solver, LogisticRegression(X[k], y[k], l2=0.1), stop=stop)
        assert found[k].value == pytest.approx(alone.value, rel=1e-5)


def planted(dtype):
    """Separable, NaN, one class, saturated, of dependent columns, and a column far too large."""
    X, y = data(dtype)
    y[1] = (X[1, :, 0] > 0).to(dtype)
    X[2, 5, 1] = torch.nan
    y[3] = 1.0
    X[4] *= 1e6
    X[5, :, 2] = X[5, :, 1]
    X[6, :, 0] *= 1e30
    X[7, 0, 0] = torch.inf
    return X, y


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("settings", [{"l2": 0.0}, {"l2": 0.0, "fit_intercept": True}, {"l2": 1e-3}], ids=str)
@pytest.mark.parametrize("name", ["newton-cholesky", "newton-levenberg"])
def test_a_bad_problem_ends_as_it_does_alone_and_disturbs_no_other(name, settings, dtype):
    X, y = planted(dtype)
    stop = Stop(iterations=200)
    found = minimize_batch(SOLVERS[name], BatchLogisticRegression(X, y, **settings), stop=stop)
    assert found.status[2] == found.status[7] == Status.DIVERGED
    if settings["l2"] == 0:
        assert found.status[1] == Status.SEPARABLE
        assert "fit_intercept" not in settings or found.status[3] == Status.SEPARABLE
    for k in (1, 3, 4, 5, 6):
        alone = minimize(SOLVERS[name], LogisticRegression(X[k], y[k], **settings), stop=stop)
        if k == 1:
            assert abs(found.iterations[k] - alone.iterations) <= 1
        if found.status[k] == Status.CONVERGED or alone.status == Status.CONVERGED:
            assert found.status[k] == alone.status
            assert found[k].value == pytest.approx(alone.value, rel=1e3 * torch.finfo(dtype).eps)
        else:
            assert found.status[k] in (alone.status, Status.STALLED, Status.ITERATION_LIMIT)
    good = [0, 8, 9, 10, 11]
    without = minimize_batch(SOLVERS[name], BatchLogisticRegression(X[good], y[good], **settings), stop=stop)
    for k, number in enumerate(good):
        agrees(found[number], without[k], torch.finfo(dtype).eps)


def test_a_start_far_away_needs_a_search_of_its_own():
    X, y = data()
    x0 = torch.zeros(B, D, dtype=torch.float64)
    x0[3] = 8.0
    found = minimize_batch(SOLVERS["newton-cholesky"], BatchLogisticRegression(X, y, l2=0.01), x0)
    alone = minimize(SOLVERS["newton-cholesky"], LogisticRegression(X[3], y[3], l2=0.01), x0[3])
    assert alone.counters["line_search_trials"] > alone.iterations
    agrees(found[3], alone, 2.2e-16)


def test_rows_of_weight_zero_do_not_count_whatever_they_hold():
    X, y = data()
    weight = torch.ones(B, N)
    weight[4, 30:] = 0
    X[4, 30:] = torch.nan
    found = minimize_batch(SOLVERS["newton-cholesky"], BatchLogisticRegression(X, y, 0.1, sample_weight=weight))
    agrees(found[4], minimize(SOLVERS["newton-cholesky"], LogisticRegression(X[4, :30], y[4, :30], 0.1)), 2.2e-16)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("alone", [False, True])
def test_whole_weights_are_repeated_rows(reduction, alone):
    """The same in a batch and in the objective that finishes a problem alone."""
    X, y = data()
    times = torch.arange(N) % 3
    f = BatchLogisticRegression(X, y, 0.1, True, reduction, sample_weight=times)
    repeated = LogisticRegression(X[0].repeat_interleave(times, 0), y[0].repeat_interleave(times), 0.1, True, reduction)
    wanted = minimize(SOLVERS["newton-cholesky"], repeated)
    found = (
        minimize(SOLVERS["newton-cholesky"], f.single(0)) if alone else minimize_batch(SOLVERS["newton-cholesky"], f)[0]
    )
    agrees(found, wanted, 2.2e-16)


def test_one_x_is_shared_by_many_labels_and_penalties():
    X, y = data()
    labels, l2 = y[:3], torch.tensor([0.01, 0.1, 1.0])
    found = minimize_batch(SOLVERS["newton-cholesky"], BatchLogisticRegression(X[0], labels, l2, fit_intercept=True))
    for k in range(3):
        objective = LogisticRegression(X[0], labels[k], float(l2.double()[k]), fit_intercept=True)
        agrees(found[k], minimize(SOLVERS["newton-cholesky"], objective), 2.2e-16)


def test_labels_may_be_probabilities():
    X, y = data()
    y = 0.1 + 0.8 * y
    found = minimize_batch(SOLVERS["newton-cholesky"], BatchLogisticRegression(X, y))
    for k in range(B):
        agrees(found[k], minimize(SOLVERS["newton-cholesky"], LogisticRegression(X[k], y[k])), 2.2e-16)


def test_limits_and_other_tests_mean_what_they_mean_alone():
    X, y = data()
    f = BatchLogisticRegression(X, y, l2=0.1)
    limited = minimize_batch(SOLVERS["newton-cholesky"], f, stop=Stop(iterations=1))
    assert set(limited.status) == {Status.ITERATION_LIMIT} and limited.iterations == [1] * B
    late = minimize_batch(SOLVERS["newton-cholesky"], f, stop=Stop(seconds=0.0))
    assert set(late.status) == {Status.TIME_LIMIT}
    untested = minimize_batch(SOLVERS["newton-cholesky"], f, stop=Stop(gap_tolerance=None, iterations=3))
    assert set(untested.status) == {Status.ITERATION_LIMIT}
    flat = minimize_batch(SOLVERS["newton-cholesky"], f, stop=Stop(gap_tolerance=None, gradient_tolerance=1e-8))
    assert set(flat.status) == {Status.CONVERGED} and flat.gap_bound == [None] * B
    assert float(f.at(flat.x).gradient.abs().max()) <= 1e-8


def test_a_step_that_rises_to_infinity_diverges():
    X, y = data(torch.float32)
    solver = GradientDescent(learning_rate=1e10)
    found = minimize_batch(solver, BatchLogisticRegression(X, y, l2=1.0), stop=Stop(iterations=100))
    alone = minimize(solver, LogisticRegression(X[0], y[0], l2=1.0), stop=Stop(iterations=100))
    assert set(found.status) == {alone.status} == {Status.DIVERGED}
    assert bool(found.x.isfinite().all())


@pytest.mark.parametrize("name", BATCHED)
def test_the_host_reads_a_device_twice_a_trial(name, monkeypatch):
    X, y = data()
    trials, one_round = [], _Batch._round
    monkeypatch.setattr(_Batch, "_round", lambda self: (trials.append(1), one_round(self))[1])
    reads = {}
    for iterations in (1, 3):
        with SimulatedCuda() as device:
            f = BatchLogisticRegression(X.to(device.name), y.to(device.name), l2=0.1)
            device.reads.clear()
            trials.clear()
            minimize_batch(SOLVERS[name], f, stop=Stop(gap_tolerance=1e-300, iterations=iterations))
            reads[len(trials)] = device.reads.total()
    (few, first), (many, last) = sorted(reads.items())
    assert many > few and (last - first) / (many - few) <= 2


def test_solvers_without_a_batched_form_are_refused():
    X, y = data()
    with pytest.raises(ValueError, match=r"no batch of LBFGS: .*CholeskyNewton\(\), LevenbergNewton\(\)"):
        minimize_batch(SOLVERS["lbfgs"], BatchLogisticRegression(X, y))
    with pytest.raises(TypeError, match="BatchLogisticRegression"):
        minimize_batch(SOLVERS["newton-cholesky"], LogisticRegression(X[0], y[0]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": torch.zeros(3)}, "X must have shape"),
        ({"y": torch.zeros(B, N + 1)}, "y must have shape"),
        ({"y": torch.zeros(B - 1, N)}, "agree on B"),
        ({"y": torch.full((B, N), 2.0)}, "those of problem 0"),
        ({"l2": -1.0}, "l2 must be a finite"),
        ({"sample_weight": torch.zeros(N)}, "positive weight"),
        ({"reduction": "median"}, "'mean' or 'sum'"),
        ({"X": torch.zeros(N, D), "y": torch.zeros(N)}, "single problem"),
    ],
)
def test_wrong_arguments_are_refused(change, message):
    X, y = data()
    with pytest.raises(ValueError, match=message):
        BatchLogisticRegression(**{"X": X, "y": y} | change)


def test_columns_that_all_but_depend_on_each_other_leave_the_batch():
    """A Cholesky factor of such a Hessian may exist, and be rounding alone."""
    X, y = data()
    X[:, :, 2] = 0.3 * X[:, :, 0] + 0.7 * X[:, :, 1] + 1e-8 * X[:, :, 2]
    found = minimize_batch(SOLVERS["newton-cholesky"], BatchLogisticRegression(X, y))
    assert found.alone == list(range(B))
    for k in range(B):
        alone = minimize(SOLVERS["newton-cholesky"], LogisticRegression(X[k], y[k]))
        assert found[k].value == pytest.approx(alone.value, rel=1e-6)  # whatever the start: statuses may differ


def test_a_loose_tolerance_is_no_licence_for_a_long_step():
    """Where the Newton step moves a margin by more than 1/2 the quadratic model says nothing of the gap."""
    X, y = data()
    stop = Stop(gap_tolerance=1.0)
    found = minimize_batch(SOLVERS["newton-cholesky"], BatchLogisticRegression(X, y, l2=1e-6), stop=stop)
    for k in range(B):
        alone = minimize(SOLVERS["newton-cholesky"], LogisticRegression(X[k], y[k], l2=1e-6), stop=stop)
        assert found.iterations[k] == alone.iterations > 0


@pytest.mark.parametrize("tolerance", [1e-10, 1e-2])
def test_quasi_separation_is_never_convergence(tolerance):
    """Two rows at 0 of both classes: no iterate separates all rows strictly."""
    X, y = data()
    y[2] = (X[2, :, 0] > 0).double()
    X[2, :2] = 0
    y[2, :2] = torch.tensor([0.0, 1.0])
    stop = Stop(gap_tolerance=tolerance, iterations=100)
    found = minimize_batch(SOLVERS["newton-cholesky"], BatchLogisticRegression(X, y), stop=stop)
    assert found.status[2] == Status.SEPARABLE and 2 in found.alone
    assert all(found.status[k] == Status.CONVERGED for k in range(B) if k != 2)
