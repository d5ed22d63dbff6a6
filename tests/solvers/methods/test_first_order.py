"""Methods that ask for gradients alone: their step lengths, what they promise of f, and their rates."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from solvers import ArmijoGradientDescent, BarzilaiBorwein, GradientDescent, Nesterov, Status, Stop, minimize
from solvers.objectives import FunctionObjective, Objective, Point
from tests.solvers.helpers import values

FIRST_ORDER = [
    ArmijoGradientDescent(),
    BarzilaiBorwein(),
    BarzilaiBorwein("long"),
    BarzilaiBorwein("short"),
    Nesterov(),
]


class Quadratic(Objective):
    """sum_j h_j x_j^2 / 2."""

    def __init__(self, h: torch.Tensor) -> None:
        self.h = h

    def at(self, x: torch.Tensor) -> Point:
        return QuadraticPoint(self, x)


class QuadraticPoint(Point):
    value = property(lambda self: 0.5 * (self.objective.h * self.x**2).sum())
    gradient = property(lambda self: self.objective.h * self.x)
    hessian = property(lambda self: self.objective.h.diag())


def ill_conditioned(condition: float, d: int = 50) -> tuple[Quadratic, torch.Tensor]:
    return Quadratic(torch.logspace(-math.log10(condition), 0, d, dtype=torch.float64)), torch.ones(d).double()


def iterations_to(solver, condition: float, gap: float = 1e-8) -> int:
    """Until f is so small a part of f at the start."""
    f, x0 = ill_conditioned(condition)
    stop = Stop(None, gradient_tolerance=0.0, iterations=5000)
    point, state = f.at(x0), solver.init(f.at(x0))
    for iteration in range(stop.iterations):
        if float(point.value) <= gap * float(f.at(x0).value):
            return iteration
        point, state = solver.step(point, state)
    return stop.iterations


def test_acceleration_pays_by_the_root_of_the_condition():
    """Gradient descent with the step 1 / L needs iterations in proportion to the condition number."""
    plain, fast = ([iterations_to(s, c) for c in (10, 1000)] for s in (GradientDescent(1.0), Nesterov()))
    assert plain[1] > 50 * plain[0]
    assert fast[1] < 20 * fast[0] and fast[1] < plain[1] / 10
    assert iterations_to(BarzilaiBorwein(), 1000) < plain[1] / 10


def test_restarts_make_the_decrease_linear():
    """Where L is not allowed to fall either: without restarts the decrease would be 1 / k^2."""
    f, x0 = ill_conditioned(1000)
    found = values(Nesterov(grow=1.0), f, x0, 1000)
    assert found[-1] < 1e-9 * found[0]


def test_each_accelerated_step_gains_what_its_rate_promises():
    f, x = ill_conditioned(100)
    solver = Nesterov()
    point, state = f.at(x), solver.init(f.at(x))
    for _ in range(50):
        rate = solver.propose(point, state).state.rate
        moved, after = solver.step(point, state)
        if after.last is not None:
            gained = float(point.value) - float(f.at(after.last).value)
            used = float(((point.x - after.last) @ point.gradient) / (point.gradient @ point.gradient))
            assert used <= rate * (1 + 1e-12) and gained >= 0.5 * used * float(point.gradient @ point.gradient) * (
                1 - 1e-9
            )
        point, state = moved, after


def test_every_armijo_step_has_enough_decrease_and_the_next_one_is_tried_longer():
    f = FunctionObjective(lambda x: (x**4).sum() + (x[0] - x[1]) ** 2 + x[1])
    solver = ArmijoGradientDescent(sufficient=0.3)
    point = f.at(torch.tensor([3.0, -1.0], dtype=torch.float64))
    state = solver.init(point)
    for _ in range(15):
        moved, after = solver.step(point, state)
        t = float((point.x - moved.x).norm() / point.gradient.norm())
        assert float(moved.value) <= float(point.value) - 0.3 * t * float(point.gradient.square().sum()) + 1e-14
        assert after.size == pytest.approx(2 * t, rel=1e-9)
        twice = f.at(point.x - 2 * t * point.gradient)
        shortened = t < 0.99 * state.size
        assert not shortened or float(twice.value) > float(point.value) - 0.6 * t * float(point.gradient.square().sum())
        point, state = moved, after


@pytest.mark.parametrize("rule", ["long", "short"])
def test_the_lengths_are_rayleigh_quotients_of_the_last_step(rule):
    f, x = ill_conditioned(100, 5)
    solver = BarzilaiBorwein(rule)
    first, state = solver.step(f.at(x), solver.init(f.at(x)))
    proposal = solver.propose(first, state)
    s = first.x - x
    y = f.h * s
    wanted = (s @ s) / (s @ y) if rule == "long" else (s @ y) / (y @ y)
    assert torch.allclose(proposal.direction, -wanted * first.gradient, rtol=1e-12)
    assert (s @ s) / (s @ y) > (s @ y) / (y @ y) * 1.001


def test_the_two_lengths_alternate():
    f, x = ill_conditioned(100, 5)
    solver = BarzilaiBorwein()
    point, state = solver.step(f.at(x), solver.init(f.at(x)))
    rates = []
    for _ in range(4):
        rates.append(tuple(BarzilaiBorwein(rule).rate(point, state) for rule in ("alternating", "long", "short")))
        point, state = solver.step(point, state)
    kinds = ["long" if both == long else "short" for both, long, short in rates]
    assert kinds in (["long", "short"] * 2, ["short", "long"] * 2)


def test_barzilai_borwein_rises_on_the_way_unless_it_is_told_not_to():
    f, x = ill_conditioned(1000)
    free, monotone = values(BarzilaiBorwein(), f, x, 60), values(BarzilaiBorwein(memory=1), f, x, 60)
    assert any(after > before for before, after in pairwise(free))
    assert all(after <= before for before, after in pairwise(monotone))
    highest = [max(free[max(0, k - 9) : k + 1]) for k in range(60)]
    assert all(free[k + 1] <= highest[k] for k in range(60))


def test_negative_curvature_makes_the_next_step_longer():
    f = Quadratic(torch.tensor([-1.0, 2.0], dtype=torch.float64))
    solver = BarzilaiBorwein()
    point = f.at(torch.tensor([1e-2, 0.0], dtype=torch.float64))
    moved, state = solver.step(point, solver.init(point))
    assert float((moved.x - point.x) @ (moved.gradient - point.gradient)) < 0
    proposal = solver.propose(moved, state)
    assert torch.allclose(proposal.direction, -10 * state.rate * moved.gradient)


@pytest.mark.parametrize("solver", FIRST_ORDER)
def test_no_first_order_method_asks_for_a_hessian(solver):
    f, x = ill_conditioned(10, 5)
    result = minimize(solver, f, x, Stop(None, iterations=20))
    assert result.counters["hessians"] == result.counters["hessian_diagonals"] == 0
    assert result.counters["gradients"] <= 21


@pytest.mark.parametrize("solver", FIRST_ORDER)
@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_no_unit_of_the_loss_matters(solver, factor):
    """The first step has length 1 whatever multiplies f, and all others follow from it."""
    f, x = ill_conditioned(10, 5)
    a, b = (minimize(solver, g, x, Stop(None, iterations=5)).x for g in (f, Quadratic(f.h * factor)))
    assert torch.allclose(a, b, rtol=1e-8)


@pytest.mark.parametrize("solver", FIRST_ORDER)
def test_at_a_minimiser_nothing_moves(solver):
    f, x = ill_conditioned(10, 5)
    result = minimize(solver, f, 0 * x)
    assert result.status == Status.CONVERGED and result.iterations == 0


@pytest.mark.parametrize("solver", FIRST_ORDER)
def test_walls_of_infinity_are_searched_back_from(solver):
    barrier = FunctionObjective(lambda x: x.sum() * 1e3 - x.log().sum())
    result = minimize(solver, barrier, torch.tensor([1e-6, 2.0], dtype=torch.float64), Stop(1e-8))
    assert result.status == Status.CONVERGED
    assert torch.allclose(result.x, torch.full((2,), 1e-3).double(), rtol=1e-3)
