"""A batch that begins with compiled kernels ends as one that does not."""

from __future__ import annotations

import math
from importlib.util import find_spec

import pytest
import torch

from solvers import SOLVERS, BatchLogisticRegression, Status, Stop, minimize_batch
from solvers.batches import compiled_start
from solvers.objectives.linear.compiled_point import by_torch

pytestmark = pytest.mark.skipif(find_spec("numba") is None, reason="Numba is not installed: the extra `fast` brings it")
NEWTON = SOLVERS["newton-cholesky"]


def data(dtype=torch.float64, problems: int = 70) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    X = torch.randn(problems, 40, 4, generator=generator, dtype=torch.float64)
    y = torch.bernoulli(torch.sigmoid(X.sum(2)), generator=generator)
    return X.to(dtype), y.to(dtype)


def both_ways(batch: BatchLogisticRegression, stop: Stop = Stop(), x0: torch.Tensor | None = None):
    compiled = minimize_batch(NEWTON, batch, x0, stop)
    with by_torch():
        plain = minimize_batch(NEWTON, batch, x0, stop)
    assert compiled.status == plain.status and compiled.alone == plain.alone
    return compiled, plain


@pytest.fixture
def calls(monkeypatch) -> list[int]:
    """The steps that each start made."""
    found, original = [], compiled_start.kernels()

    class Watched:
        @staticmethod
        def descend(*arguments):
            original.descend(*arguments)
            found.append(int(arguments[-1].sum()))

    monkeypatch.setattr(compiled_start, "kernels", lambda: Watched)
    return found


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("options", [{}, {"fit_intercept": True}, {"reduction": "sum"}], ids=str)
def test_the_same_steps_are_made_and_the_same_is_claimed(calls, options, dtype, threads):
    X, y = data(dtype)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        compiled, plain = both_ways(BatchLogisticRegression(X, y, 0.02, **options))
    finally:
        torch.set_num_threads(before)
    assert sum(calls) > 100 and set(plain.status) == {Status.CONVERGED}
    torch.testing.assert_close(compiled.value, plain.value)
    if dtype == torch.float64:
        assert sum(compiled.iterations) == pytest.approx(sum(plain.iterations), abs=3)  # near a bound rounding decides


def test_one_x_for_many_labels_penalties_and_starts(calls):
    X, y = data()
    l2 = torch.logspace(-3, 0, len(y), dtype=X.dtype)
    x0 = torch.full((len(y), 4), 30.0, dtype=X.dtype)  # so far that the search shortens steps
    compiled, plain = both_ways(BatchLogisticRegression(X[0], y, l2), x0=x0)
    assert sum(calls) > 100
    torch.testing.assert_close(compiled.value, plain.value)


@pytest.mark.parametrize("problems", [1, compiled_start.TOGETHER + 1])
def test_a_problem_that_is_alone_in_its_part_has_the_labels_of_its_own(calls, problems):
    X, y = data(problems=problems)
    compiled, plain = both_ways(BatchLogisticRegression(X[0], y, torch.full((problems,), 0.02, dtype=X.dtype)))
    assert compiled.iterations == pytest.approx(plain.iterations, abs=1)


def test_bad_separable_and_one_class_problems_are_left_to_the_batch(calls):
    X, y = data()
    X[3, 0, 0], X[5, 1, 1] = math.nan, math.inf
    y[7], y[9] = 1.0, (X[9, :, 0] > 0).double()
    compiled, plain = both_ways(BatchLogisticRegression(X, y, 0.0, fit_intercept=True), Stop(iterations=30))
    found = [compiled.status[k] for k in (3, 5, 7, 9)]
    assert found == [Status.DIVERGED, Status.DIVERGED, Status.SEPARABLE, Status.SEPARABLE]
    assert compiled.iterations[9] == pytest.approx(plain.iterations[9], abs=1)  # not one step beyond a separating x


def test_no_step_is_made_towards_a_minimiser_that_is_not_there(calls):
    X, y = data(problems=5)
    compiled, plain = both_ways(BatchLogisticRegression(X, torch.ones_like(y), 0.1, fit_intercept=True))
    assert set(compiled.status) == {Status.SEPARABLE} and compiled.iterations == plain.iterations == [0] * 5


def test_limits_hold(calls):
    batch = BatchLogisticRegression(*data(), 1e-3)
    assert set(minimize_batch(NEWTON, batch, stop=Stop(iterations=2)).iterations) == {2}
    late = minimize_batch(NEWTON, batch, stop=Stop(seconds=0.0))
    assert set(late.status) == {Status.TIME_LIMIT} and sum(late.iterations) == 0


def test_weights_probabilities_and_other_solvers_take_the_plain_way(calls):
    X, y = data(problems=3)
    minimize_batch(NEWTON, BatchLogisticRegression(X, y, 0.1, sample_weight=torch.ones_like(y)))
    minimize_batch(NEWTON, BatchLogisticRegression(X, 0.2 + 0.6 * y, 0.1))
    minimize_batch(NEWTON, BatchLogisticRegression(X, y, 0.1), stop=Stop(gap_tolerance=None, gradient_tolerance=1e-6))
    minimize_batch(SOLVERS["newton-levenberg"], BatchLogisticRegression(X, y, 0.1))
    assert not calls
