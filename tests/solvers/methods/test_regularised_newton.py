"""Newton steps damped by the decrement, and shifted by the gradient: their equations and what they promise."""

from __future__ import annotations

import math

import pytest
import torch

from solvers import GradientRegularisedNewton, LevenbergNewton, SelfConcordantNewton, Status, Stop, minimize
from solvers.newton.levenberg import Shift
from solvers.newton.self_concordant import damped
from solvers.objectives import FunctionObjective, LogisticRegression

BARRIER = FunctionObjective(lambda x: (torch.tensor([1.0, 2.0, 3.0]).double() * x).sum() - x.log().sum())  # M = 1
START = torch.tensor([10.0, 0.01, 5.0], dtype=torch.float64)


def lowered(solver, f, x, steps: int):
    """(point, state before, moved, state after) of each step."""
    point, state = f.at(x), solver.init(f.at(x))
    for _ in range(steps):
        moved, after = solver.step(point, state)
        yield point, state, moved, after
        point, state = moved, after


def decrement(point) -> float:
    return float(point.gradient @ torch.linalg.solve(point.hessian, point.gradient)) ** 0.5


def test_a_standard_self_concordant_function_needs_no_search():
    """With its M = 1 every damped step is taken at once, and f falls by lambda - log(1 + lambda)."""
    for point, _, moved, _ in lowered(SelfConcordantNewton(constant=1.0), BARRIER, START, 12):
        size = decrement(point)
        newton = -torch.linalg.solve(point.hessian, point.gradient)
        assert torch.allclose(moved.x, point.x + newton / (1 + size), rtol=1e-10)
        assert float(point.value) - float(moved.value) >= (size - math.log1p(size)) * (1 - 1e-9) - 1e-14
    result = minimize(SelfConcordantNewton(constant=1.0), BARRIER, START)
    assert result.status == Status.CONVERGED
    assert result.counters["line_search_trials"] == result.iterations


def test_the_standard_constant_is_wrong_for_a_rescaled_function():
    """n times smaller, M is sqrt(n) times larger: with the plain M = 1 the first step leaves the domain or rises."""
    small = FunctionObjective(lambda x: BARRIER.f(x) / 100)
    assert minimize(SelfConcordantNewton(constant=1.0), small, START).status == Status.STALLED
    scaled, plain = (
        minimize(solver, f, START, Stop(None, iterations=5)).x
        for solver, f in ((SelfConcordantNewton(constant=10.0), small), (SelfConcordantNewton(constant=1.0), BARRIER))
    )
    assert torch.allclose(scaled, plain, rtol=1e-10)


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_the_estimated_constant_follows_the_scale_of_f(factor):
    f = FunctionObjective(lambda x: factor * BARRIER.f(x))
    seen = [after.size * math.sqrt(factor) for *_, after in lowered(SelfConcordantNewton(), f, START, 6)]
    assert seen == pytest.approx([after.size for *_, after in lowered(SelfConcordantNewton(), BARRIER, START, 6)])


def test_the_constant_of_a_penalised_logistic_loss_is_safe(logistic):
    f = logistic(n=80, l2=0.01)
    M = float(f.X.norm(dim=1).max()) / (2 * math.sqrt(f.l2))
    result = minimize(SelfConcordantNewton(constant=M), f, torch.full((4,), 3.0, dtype=torch.float64))
    assert result.status == Status.CONVERGED and result.counters["line_search_trials"] == result.iterations
    estimated = minimize(SelfConcordantNewton(), f, torch.full((4,), 3.0, dtype=torch.float64))
    assert estimated.iterations < result.iterations / 2


def test_the_promised_decrease_does_not_cancel():
    for M in (1e-9, 1e-5, 0.9e-3, 1.1e-3, 0.5, 1e6):
        t, promised = damped(M, 2.0)
        u = 2 * M
        series = 4 * sum((-u) ** (k - 2) / k for k in range(2, 40)) if u < 0.5 else (u - math.log1p(u)) / M**2
        assert promised == pytest.approx(series, rel=1e-6) and t == 1 / (1 + u)


def test_the_regularised_step_solves_its_equation(logistic):
    f = logistic(l2=0.01)
    solver = GradientRegularisedNewton()
    point = f.at(torch.full((4,), 2.0, dtype=torch.float64))
    for size in (1e-6, 1.0, 100.0):
        step = solver.propose(point, solver.init(point)._replace(root=math.sqrt(size))).direction
        shift = math.sqrt(size * float(point.gradient.norm()))
        left = point.hessian @ step + shift * step
        assert torch.allclose(left, -point.gradient, rtol=1e-10, atol=1e-13)


def test_every_regularised_step_meets_both_conditions_and_a_rejected_one_keeps_its_hessian(logistic):
    f = logistic(l2=0.01)
    rejected = 0
    x = torch.full((4,), 3.0, dtype=torch.float64)
    for point, state, moved, after in lowered(GradientRegularisedNewton(), f, x, 12):
        if moved is point and after is state:
            break  # rounding
        if moved is point:
            rejected += 1
            assert after.root == 2 * state.root and "hessian" in moved.__dict__
            continue
        r = float((moved.x - point.x).norm())
        shift = state.root * math.sqrt(float(point.gradient.norm()))
        if r > 1e-6:
            assert after.root == state.root / 2
            assert float(moved.gradient.norm()) <= 2 * shift * r
            assert float(moved.value) <= float(point.value) - 2 / 3 * shift * r**2 + 1e-15
    assert 0 < rejected < 12


def test_half_the_lipschitz_constant_is_enough(logistic):
    """|sigmoid''| is below 0.0963, so the Hessian of the loss changes by at most that times mean ||x_i||^3."""
    f = logistic(l2=0.01)
    L = 0.0963 * float((f.X.norm(dim=1) ** 3).mean())
    solver = GradientRegularisedNewton()
    generator = torch.Generator().manual_seed(0)
    for x in 3 * torch.randn(20, 4, generator=generator, dtype=torch.float64):
        point = f.at(x)
        proposal = solver.propose(point, solver.init(point)._replace(root=math.sqrt(L / 2)))
        assert solver.move(point, proposal)[0] is not point


@pytest.mark.parametrize("solver", [GradientRegularisedNewton(), SelfConcordantNewton()])
def test_convergence_is_quadratic_in_the_end(solver):
    X = torch.randn(100, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    f = LogisticRegression(X, (X[:, 0] > 0).double(), l2=0.05)
    result = minimize(solver, f, stop=Stop(None, gradient_tolerance=1e-9))
    assert result.status == Status.CONVERGED and result.iterations < 30


def test_levenberg_s_shift_rises_again_after_so_many_good_steps_that_it_became_zero():
    """From zero no factor raises it: at a saddle, where a shift is needed, the search for one would never end."""
    saddle = FunctionObjective(lambda x: x[0] ** 2 - x[1] ** 2 + x.sum())
    point = saddle.at(torch.zeros(2, dtype=torch.float64))
    proposal = LevenbergNewton().propose(point, Shift(0.0, 4.0))
    assert proposal.slope < 0 and 2 < proposal.state.size < math.inf
