"""The strong Wolfe search, BFGS and L-BFGS: their conditions, their equations, and each other."""

from __future__ import annotations

import math

import pytest
import torch

from solvers import BFGS, LBFGS, Stop, minimize
from solvers.approximate.bfgs import bfgs_update
from solvers.approximate.limited_memory import Pair, difference
from solvers.line_search.wolfe import strong_wolfe
from solvers.objectives import FunctionObjective, LogisticRegression, SoftmaxRegression

LINES = {  # of one variable, with f'(0) < 0, and a minimum
    "a parabola": lambda x: (x - 1) ** 2,
    "a quartic": lambda x: (x - 2) ** 4,
    "exponentials": lambda x: torch.exp(x) + torch.exp(-3 * x),
    "softplus": lambda x: torch.nn.functional.softplus(x) - 0.9 * x + 1e-3 * x**2,
    "a wall": lambda x: x - torch.log(x + 1e-3),  # not finite to the left
    "a wall ahead": lambda x: -x - torch.log(3 - x),  # not finite to the right
    "waves": lambda x: (x - 3) ** 2 / 4 + torch.cos(7 * x) / 9 - x / 2,
    "More and Thuente's first": lambda x: -x / (x**2 + 2),
    "a kink, almost": lambda x: torch.sqrt((x - 1) ** 2 + 1e-6),
}
SCALES = [1e-9, 1e-4, 0.1, 1.0, 7.0, 1e3, 1e8]


def quadratic(d: int, seed: int = 0) -> tuple[FunctionObjective, torch.Tensor, torch.Tensor]:
    """(x - c)^T A (x - c) / 2 with eigenvalues of 1 to 10, and a start."""
    generator = torch.Generator().manual_seed(seed)
    Q = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q
    A = Q @ torch.linspace(1, 10, d, dtype=torch.float64).diag() @ Q.T
    c = torch.randn(d, generator=generator, dtype=torch.float64)
    return FunctionObjective(lambda x: (x - c) @ A @ (x - c) / 2), A, torch.zeros(d, dtype=torch.float64)


def random_pairs(d: int, count: int) -> list[Pair]:
    _, A, _ = quadratic(d)
    steps = torch.randn(count, d, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return [Pair(s, A @ s, float(s @ A @ s)) for s in steps]


# --- the search


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("curvature", [0.9, 0.1])
def test_what_the_search_returns_meets_both_conditions(line, scale, curvature):
    """Whatever the length of the step that is tried first."""
    objective = FunctionObjective(lambda x: LINES[line](x[0]))
    point, direction = objective.at(torch.zeros(1, dtype=torch.float64)), torch.tensor([scale], dtype=torch.float64)
    slope = float(point.gradient @ direction)
    found = strong_wolfe(point.along(direction), slope, curvature=curvature)
    assert slope < 0 and found is not None
    assert float(found.value) <= float(point.value) + 1e-4 * float(found.x) / scale * slope
    assert abs(float(found.gradient @ direction)) <= curvature * abs(slope)


def test_the_search_is_short_where_the_first_step_is_right():
    objective, A, x0 = quadratic(5)
    point = objective.at(x0)
    newton = -torch.linalg.solve(A, point.gradient)
    ray = point.along(newton)
    tried = []
    at, ray.at = ray.at, lambda t: tried.append(t) or at(t)
    found = strong_wolfe(ray, float(point.gradient @ newton))
    assert tried == [1.0] and torch.equal(found.x, x0 + newton)


def test_a_parabola_is_minimised_by_its_second_trial():
    """The cubic through two values and slopes of a parabola is that parabola."""
    objective = FunctionObjective(lambda x: (x[0] - 3) ** 2)
    point, ahead = objective.at(torch.zeros(1, dtype=torch.float64)), torch.ones(1, dtype=torch.float64)
    assert float(strong_wolfe(point.along(5 * ahead), -30.0, curvature=0.01).x) == pytest.approx(3, abs=1e-12)
    assert float(strong_wolfe(point.along(ahead), -6.0, curvature=0.01).x) == pytest.approx(3, abs=1e-12)


@pytest.mark.parametrize("slope", [0.0, 1.0, math.nan])
def test_there_is_no_search_uphill(slope):
    objective, _, x0 = quadratic(2)
    assert strong_wolfe(objective.at(x0).along(torch.ones(2, dtype=torch.float64)), slope) is None


def test_a_search_without_end_takes_the_best_it_saw():
    """f falls without bound, and never gets flat."""
    objective = FunctionObjective(lambda x: -x[0])
    found = strong_wolfe(objective.at(torch.zeros(1).double()).along(torch.ones(1).double()), -1.0)
    assert float(found.value) < -1e9


def test_a_wrong_slope_is_no_way_down():
    """All trials rise: nothing is returned, and no trial is repeated."""
    objective = FunctionObjective(lambda x: x[0].abs() + x[0])
    assert strong_wolfe(objective.at(torch.zeros(1).double()).along(torch.ones(1).double()), -1.0) is None


def test_values_do_not_rise_where_rounding_hides_the_decrease():
    """Next to the minimum of 1 + x^2 no value tells two points apart, and slopes must."""
    objective = FunctionObjective(lambda x: 1 + x[0] ** 2)
    point = objective.at(torch.tensor([1e-9], dtype=torch.float64))
    for length in (1e-9, 3e-10, 1e-8):
        found = strong_wolfe(point.along(torch.tensor([-length]).double()), -2e-9 * length)
        assert found is not None and float(found.value) <= float(point.value)
        assert abs(float(found.x)) < 1e-9


@pytest.mark.parametrize("kind", ["binary", "soft", "csr", "intercept", "softmax"])
def test_the_slope_along_a_ray_is_that_of_the_gradient(logistic, kind):
    settings = {"soft": {"soft": True}, "csr": {"csr": True}, "intercept": {"fit_intercept": True}}.get(kind, {})
    f = logistic(l2=0.1, **settings)
    if kind == "softmax":
        f = SoftmaxRegression(f.X, (torch.arange(len(f.y)) % 3), l2=0.1, fit_intercept=True)
    x, direction = torch.randn(2, f.size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    ray = f.at(x).along(direction)
    trial = ray.at(0.7)
    found = ray.slope(trial)
    assert "gradient" not in trial.__dict__  # it is O(n)
    assert found == pytest.approx(float(trial.gradient @ direction), rel=1e-12)


# --- the updates


def test_the_bfgs_update_is_its_formula_and_meets_the_secant_equation():
    d, pairs = 6, random_pairs(6, 3)
    s, y, curvature = pairs[0]
    B, eye = bfgs_update(None, pairs[0]), torch.eye(d, dtype=torch.float64)
    assert torch.allclose(B @ y, s, rtol=1e-12)
    for s, y, curvature in pairs[1:]:
        left = eye - torch.outer(s, y) / curvature
        wanted = left @ B @ left.T + torch.outer(s, s) / curvature
        B = bfgs_update(B, Pair(s, y, curvature))
        assert torch.allclose(B, wanted, rtol=1e-11, atol=1e-13) and torch.equal(B, B.T)
        assert torch.allclose(B @ y, s, rtol=1e-11, atol=1e-13)
        assert float(torch.linalg.eigvalsh(B)[0]) > 0


def test_the_inverse_update_inverts_the_direct_one():
    """B^-1 is the BFGS update of the Hessian (Nocedal & Wright, eq. 6.19)."""
    first, second = random_pairs(5, 2)
    B = bfgs_update(None, first)
    M = torch.linalg.inv(B)
    s, y, curvature = second
    direct = M - torch.outer(M @ s, M @ s) / (s @ M @ s) + torch.outer(y, y) / curvature
    assert torch.allclose(torch.linalg.inv(bfgs_update(B, second)), direct, rtol=1e-9, atol=1e-10)


def test_the_first_two_steps_of_both_are_the_same():
    """From the third step on L-BFGS takes its gamma from the last pair, and BFGS keeps that of the first."""
    objective, _, x0 = quadratic(8)
    stop = Stop(None, iterations=4)
    limited, full = (minimize(solver, objective, x0, stop).trace.iterates for solver in (LBFGS(memory=50), BFGS()))
    same = [torch.allclose(a, b, rtol=1e-10, atol=1e-12) for a, b in zip(limited, full, strict=True)]
    assert same[:3] == [True] * 3 and not same[4]


@pytest.mark.parametrize("d", [2, 5, 9])
def test_bfgs_with_an_exact_search_ends_on_a_quadratic_after_d_steps(d):
    """And B is then the inverse Hessian (Nocedal & Wright, theorem 6.4)."""
    objective, A, x = quadratic(d)
    solver = BFGS()
    point, state = objective.at(x), solver.init(objective.at(x))
    for _ in range(d):
        proposal = solver.propose(point, state)
        p = proposal.direction
        point, state = point + p * (-proposal.slope / float(p @ A @ p)), proposal.state
    assert float(point.gradient.norm()) < 1e-9 * float(objective.at(x).gradient.norm())
    final = bfgs_update(state.matrix, difference(state.last, point))
    assert torch.allclose(final, torch.linalg.inv(A), rtol=1e-6, atol=1e-7)


def test_pairs_without_curvature_are_left_out():
    objective = FunctionObjective(lambda x: x[0] ** 2 - x[1] ** 2)
    a, b, c = (objective.at(torch.tensor(x, dtype=torch.float64)) for x in ([0.0, 0], [1.0, 0], [1.0, 1e-3]))
    assert difference(a, b).curvature == 2.0
    assert difference(b, c) is None and difference(a, a) is None
    linear = FunctionObjective(lambda x: x.sum() + 1e-20 * x.square().sum())
    assert difference(linear.at(a.x), linear.at(b.x)) is None


@pytest.mark.parametrize("solver", [LBFGS(), BFGS()])
def test_multiplying_the_loss_changes_no_iterate(logistic, solver):
    mean = logistic(l2=0.1)
    scaled = LogisticRegression(mean.X, mean.y, l2=0.1 * len(mean.y), reduction="sum")
    a, b = (minimize(solver, f, stop=Stop(None, iterations=4)).trace.iterates for f in (mean, scaled))
    assert all(torch.allclose(v, w, rtol=1e-9, atol=1e-11) for v, w in zip(a, b, strict=True))


@pytest.mark.parametrize("solver", [LBFGS(), BFGS()])
def test_a_direction_that_leads_nowhere_is_replaced_by_the_steepest_one_once(solver):
    objective, _, x0 = quadratic(3)
    first, state = solver.step(objective.at(x0), solver.init(objective.at(x0)))
    second, state = solver.step(first, state)
    stuck = solver.propose(second, solver.propose(second, state).state)
    assert torch.allclose(stuck.direction, -second.gradient / second.gradient.norm())
    assert solver.propose(second, stuck.state).state is stuck.state  # then the run has stalled
