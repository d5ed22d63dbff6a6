"""A first try that fails is no end, in any units; and a run that does stall says which search failed, and how."""

from __future__ import annotations

import pytest
import torch

from solvers import SOLVERS, Status, Stop, minimize
from solvers.newton.levenberg import Shift
from solvers.objectives import FunctionObjective, LogisticRegression, Objective, Point

BACKTRACKING = ["newton-cholesky", "newton-chebyshev", "newton-damped", "newton-modified-cholesky", "newton-cg", "auto"]
BACKTRACKING += ["gauss-newton", "newton-diagonal-damped", "newton-shamanskii", "newton-sampled", "newton-sketched"]
BACKTRACKING += ["newton-diagonal-hutchinson"]
FIRST_STEPS = ["lbfgs", "bfgs", "gradient-descent-armijo", "barzilai-borwein", "newton-gradient-regularised"]


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(60, 3, generator=generator, dtype=torch.float64)
    return X, (torch.rand(60, generator=generator) < 0.4).double()


def test_a_step_out_of_saturation_is_shortened_until_it_fits():
    """At 100 a Newton step is 1e43 long: more than 100 halvings too long."""
    ones = LogisticRegression(torch.ones(15, 1).double(), torch.tensor([1.0] * 10 + [0.0] * 5).double())
    wrong = {}
    for name in BACKTRACKING:
        found = minimize(SOLVERS[name], ones, torch.tensor([100.0]).double())
        if found.status is not Status.CONVERGED or abs(found.value - 0.6365141682948128) > 1e-9:
            wrong[name] = (found.status, found.value, found.message)
    assert wrong == {}
    found = minimize(SOLVERS["newton-self-concordant"], ones, torch.tensor([100.0]).double())
    assert found.status is not Status.STALLED and found.value < 20  # its steps follow M, which is huge there


@pytest.mark.parametrize("unit", [1e9, 1e12, 1e15])
def test_a_shift_that_hides_what_a_step_gains_is_lowered(unit):
    X, y = rows()
    plain, scaled = LogisticRegression(X, y), LogisticRegression(X * torch.tensor([unit, 1, 1]).double(), y)
    best = minimize(SOLVERS["newton-cholesky"], plain).value
    for name in ("newton-levenberg", "levenberg-marquardt"):
        found = minimize(SOLVERS[name], scaled)
        assert found.status is Status.CONVERGED and abs(found.value - best) <= 1e-9, (name, found.message)


def test_methods_with_a_shift_follow_the_scale_of_f_on_a_slope_that_bends_down():
    for c in (1e-60, 1e-30, 1.0, 1e30):
        found = minimize(
            SOLVERS["newton-levenberg"],
            FunctionObjective(lambda x, c=c: c * x.cos().sum()),
            torch.tensor([0.3, 1.0]).double(),
        )
        assert found.status is Status.CONVERGED and found.value == pytest.approx(-2 * c, rel=1e-9), (c, found.message)


def test_the_first_step_follows_the_units_of_the_variables():
    X, y = rows()
    best = minimize(SOLVERS["newton-cholesky"], LogisticRegression(X, y)).value
    wrong = {}
    for unit in (1e-100, 1e-60, 1e-20, 1e-8, 1e8, 1e20, 1e60):
        for name in FIRST_STEPS:
            found = minimize(SOLVERS[name], LogisticRegression(X / unit, y))
            if found.status is not Status.CONVERGED or abs(found.value - best) > 1e-9:
                wrong[unit, name] = (found.status, found.value, found.message)
    assert wrong == {}


def test_a_regularised_step_starts_from_a_hessian_whose_squares_overflow():
    X, y = rows()
    found = minimize(SOLVERS["newton-gradient-regularised"], LogisticRegression(X / 1e-150, y))
    assert found.status is Status.CONVERGED and found.iterations < 20


class Lying(Objective):
    """1 + x^2 / 2 with the gradient of its negative: every step goes up."""

    def at(self, x):
        return LyingPoint(self, x)


class LyingPoint(Point):
    value = property(lambda self: 1 + 0.5 * self.x.square().sum())
    gradient = property(lambda self: -self.x)
    hessian = property(lambda self: torch.eye(len(self.x), dtype=self.x.dtype))


def test_a_stalled_run_says_which_search_failed_and_that_this_proves_nothing():
    searches = {"newton-cholesky": "backtracking failed: none of ", "lbfgs": "the Wolfe search failed: none of "}
    searches |= {"newton-self-concordant": "the search for M failed: none of "}
    for name, words in searches.items():
        found = minimize(SOLVERS[name], Lying(), torch.tensor([3.0, 4.0]).double())
        assert found.status is Status.STALLED
        assert found.message.startswith(words), (name, found.message)
        assert " decreased f enough (the last: t = " in found.message and "(the direction has length " in found.message
        assert "this proves no minimum: half the squared Newton decrement is 12" in found.message
        assert "no representable progress" not in found.message


def test_what_rounding_hides_is_called_so():
    """The gradient test asks for more than float64 can show."""
    X, y = rows()
    found = minimize(SOLVERS["newton-cholesky"], LogisticRegression(X, y), stop=Stop(1e-10, gradient_tolerance=0.0))
    assert found.status is not Status.STALLED or "below rounding level" in found.message


def test_a_shift_that_was_raised_after_it_was_lowered_blindly_stays_unless_f_fell_since():
    """Else a run at its minimum would raise it and lower it for ever."""
    solver = SOLVERS["newton-levenberg"]
    point = FunctionObjective(lambda x: 1 + x.square().sum()).at(torch.ones(2).double())
    for state, lowered in ((Shift(1e20, 4.0), True), (Shift(1e20, 8.0, 3.0), False), (Shift(1e20, 8.0, 3.5), True)):
        moved, after = solver.step(point, state)
        assert moved is point and after == (Shift(1e19, 4.0, 3.0) if lowered else state)
