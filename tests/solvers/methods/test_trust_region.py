"""Trust regions: the subproblems against their optimality conditions, and the driver where Hessians are indefinite."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from solvers import SOLVERS, ExactTrustRegion, Ledger, Status, SteihaugTrustRegion, Stop, minimize
from solvers.common.instrumentation import current
from solvers.core.eigensystem import spectrum, units
from solvers.objectives import LogisticRegression
from solvers.objectives.linear.logistic import LogisticPoint
from tests.solvers.helpers import MONKEY, SADDLE, matrix, model, normal, orthogonal, vector

NAMES = ["trust-region-exact", "trust-region-steihaug", "trust-region-dogleg"]


# --- the subproblem, exactly


def check_optimal(H, g, sizes, found, radius, tolerance=1e-8):
    """More & Sorensen 1983, theorem 2.4: necessary and sufficient for a global minimiser in the region."""
    D = sizes.square().diag()
    shifted, size = H + found.shift * D, float(H.abs().max())
    assert found.shift >= 0 and found.length <= radius * (1 + tolerance)
    assert found.length == pytest.approx(float((sizes * found.step).norm()), rel=1e-9)
    assert float((shifted @ found.step + g).norm()) <= tolerance * (float(g.norm()) + size * float(found.step.norm()))
    assert found.shift * (radius - found.length) <= tolerance * max(found.shift, 1e-300) * radius
    assert float(torch.linalg.eigvalsh(shifted / torch.outer(sizes, sizes))[0]) >= -1e-10


@pytest.mark.parametrize("kind", ["definite", "singular", "indefinite", "negative"])
@pytest.mark.parametrize("radius", [1e-8, 0.3, 1.0, 50.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_step_by_eigenvectors_meets_the_conditions_of_a_global_minimiser(kind, radius, seed):
    H, g = matrix(kind, 7, seed), normal(7, seed=seed)
    point = model(H, g)
    check_optimal(H, g, units(point).sizes, spectrum(point, units(point).sizes).within(radius), radius)


@pytest.mark.parametrize("kind", ["definite", "indefinite"])
@pytest.mark.parametrize("radius", [1e-6, 0.3, 1.0, 50.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_solver_proposes_that_step(kind, radius, seed):
    """By Cholesky where H is positive definite: to the accuracy asked for."""
    H, g = matrix(kind, 7, seed), normal(7, seed=seed)
    point = model(H, g)
    sizes = units(point).sizes
    trial = ExactTrustRegion(accuracy=1e-10).trial(point, sizes, radius, 1.0)
    wanted = spectrum(point, sizes).within(radius)
    assert torch.allclose(trial.step, wanted.step, rtol=1e-7, atol=1e-9 * radius)
    gain = -float(torch.dot(g, trial.step) + 0.5 * torch.dot(trial.step, H @ trial.step))
    assert trial.gain == pytest.approx(gain, rel=1e-8) and trial.gain > 0
    assert trial.bounded == (wanted.shift > 0)


@pytest.mark.parametrize("slope", [0.0, 1e-300, 1e-100, 1e-16, -1e-10])
@pytest.mark.parametrize("multiplicity", [1, 2])
def test_the_hard_case_goes_along_the_lowest_eigenvector_to_the_boundary(slope, multiplicity):
    """g (almost) without a part along the lowest eigenvectors, and the rest of the step well inside."""
    Q, values = orthogonal(5, 3), vector(-2, -2 if multiplicity == 2 else -1, 1, 2, 3)
    H = (Q * values) @ Q.T
    H = (H + H.T) / 2
    point = model(H, vector(0, 0, 0, 0, 0))
    sizes = units(point).sizes
    exact = spectrum(point, sizes)
    slopes = torch.cat([torch.full((1,), slope, dtype=torch.float64), vector(0, 0.2, 0.3, -0.1)])
    g = sizes * (exact.vectors @ slopes)
    found = exact._replace(slopes=slopes).within(2.0)
    check_optimal(H, g, sizes, found, 2.0)
    assert found.length == pytest.approx(2.0, rel=1e-10) and found.shift == pytest.approx(-float(exact.values[0]))
    along = float(exact.vectors[:, :multiplicity].T.mv(sizes * found.step).norm())
    assert along > 1.5  # nearly all of the step, though the gradient says nothing of it


@pytest.mark.parametrize("seed", range(4))
def test_no_point_of_the_disc_is_lower(seed):
    """In two variables, by brute force; every other seed is the hard case."""
    H, g = matrix("indefinite", 2, seed) + vector(0, 3).diag(), normal(2, seed=seed)
    if seed % 2:
        H, g = vector(-1, 2).diag(), vector(0.0, 0.5)
    point = model(H, g)
    sizes = units(point).sizes
    found = spectrum(point, sizes).within(1.5)
    angle = torch.linspace(0, 2 * math.pi, 721, dtype=torch.float64)
    radii = torch.linspace(0, 1.5, 201, dtype=torch.float64)
    disc = (
        torch.stack([torch.outer(radii, angle.cos()).flatten(), torch.outer(radii, angle.sin()).flatten()])
        / sizes[:, None]
    )
    values = g @ disc + 0.5 * (disc * (H @ disc)).sum(0)
    own = float(torch.dot(g, found.step) + 0.5 * torch.dot(found.step, H @ found.step))
    assert own <= float(values.min()) + 1e-12 and own >= float(values.min()) - 1e-3


def test_curvature_at_rounding_level_is_not_followed_to_the_boundary():
    Q = orthogonal(6, 2)
    H = (Q * vector(0, 0, 1, 2, 3, 4)) @ Q.T
    H = (H + H.T) / 2
    point = model(H, H @ vector(1, 0, 0, 1, 0, 0))  # the gradient has no part where H is flat
    sizes = units(point).sizes
    found = spectrum(point, sizes).within(1e3)
    assert found.shift == 0 and found.length < 10


# --- the subproblem, approximately


def cauchy_gain(point, sizes, radius):
    """What the best step along -D^-1 g within the region gains (Nocedal & Wright, eq. 4.11 and 4.12)."""
    p = -point.gradient / sizes.square()
    slope, curvature = float(torch.dot(point.gradient, p)), float(torch.dot(p, point.hessian @ p))
    t = radius / float((sizes * p).norm())
    if curvature > 0:
        t = min(t, -slope / curvature)
    return -(t * slope + 0.5 * t**2 * curvature)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["definite", "singular", "indefinite", "negative"])
@pytest.mark.parametrize("radius", [1e-8, 0.1, 1.0, 30.0])
@pytest.mark.parametrize("seed", range(3))
def test_no_step_gains_less_than_the_cauchy_point_or_leaves_the_region(name, kind, radius, seed):
    point, solver = model(matrix(kind, 9, seed), normal(9, seed=seed)), SOLVERS[name]
    sizes = solver.units(point).sizes
    trial = solver.trial(point, sizes, radius, 1e-3)
    slack = 1.1 if name == "trust-region-exact" else 1 + 1e-9  # its accuracy: 0.1
    assert float((sizes * trial.step).norm()) == pytest.approx(trial.length, rel=1e-6)
    assert trial.length <= radius * slack and trial.slope < 0
    assert trial.slope == pytest.approx(float(torch.dot(point.gradient, trial.step)), rel=1e-9)
    gain = -float(torch.dot(point.gradient, trial.step) + 0.5 * torch.dot(trial.step, point.hessian @ trial.step))
    if name == "trust-region-dogleg" and kind != "definite":  # its model is shifted: it promises less than H
        assert 0 < trial.gain <= gain * (1 + 1e-9)
        return
    assert trial.gain == pytest.approx(gain, rel=1e-6)
    assert gain >= cauchy_gain(point, sizes, radius) * (1 - 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_inside_a_wide_region_all_take_the_newton_step_of_a_definite_hessian(name):
    point = model(matrix("definite", 6, 1), normal(6, seed=1))
    solver = replace(SOLVERS[name], forcing=1e-12) if name == "trust-region-steihaug" else SOLVERS[name]
    trial = solver.trial(point, solver.units(point).sizes, 1e6, 1.0)
    assert not trial.bounded
    assert torch.allclose(trial.step, -torch.linalg.solve(point.hessian, point.gradient), rtol=1e-9)


def test_the_length_of_steihaugs_steps_grows_and_the_model_falls():
    """Steihaug 1983, theorem 2.1: why it may stop where the path first leaves the region."""
    point, solver = model(matrix("definite", 12, 2), normal(12, seed=2)), SteihaugTrustRegion(forcing=1e-12)
    sizes = solver.units(point).sizes
    trials = [replace(solver, cg_iterations=k).trial(point, sizes, 1e6, 1.0) for k in range(1, 8)]
    assert all(a.length < b.length and a.gain < b.gain for a, b in pairwise(trials))
    inside = solver.trial(point, sizes, 0.5 * (trials[2].length + trials[3].length), 1.0)
    assert trials[2].gain < inside.gain < trials[3].gain


def test_steihaug_asks_for_products_and_never_for_a_hessian(logistic, monkeypatch):
    def forbidden(self):
        raise AssertionError("a Hessian was asked for")

    monkeypatch.setattr(LogisticPoint, "hessian", property(forbidden))
    result = minimize(SOLVERS["trust-region-steihaug"], logistic(), stop=Stop(None, iterations=5))
    assert result.counters["hessian_vector_products"] > 0 == result.counters["hessians"]


# --- the driver


@pytest.mark.parametrize("name", ["trust-region-steihaug", "trust-region-dogleg"])
def test_the_others_leave_it_by_the_gradient_and_without_one_never_say_converged(name):
    assert minimize(SOLVERS[name], SADDLE, vector(1.0, 1e-8)).value == pytest.approx(-0.25, abs=1e-7)
    for start in ((1.0, 0.0), (0.0, 0.0)):
        result = minimize(SOLVERS[name], SADDLE, vector(*start), Stop(iterations=60))
        assert result.status != Status.CONVERGED and result.value >= 0


@pytest.mark.parametrize("name", ["trust-region-exact", "cubic"])
@pytest.mark.parametrize("start", [(1.0, 0.0), (0.0, 1.0), (0.1, 1e-9), (1e-3, 0.0)])
def test_a_monkey_saddle_is_no_end(name, start):
    result = minimize(SOLVERS[name], MONKEY, vector(*start))
    assert result.status == Status.CONVERGED and result.value == pytest.approx(-27 / 256, abs=1e-9)


def test_a_rejected_step_keeps_the_point_and_what_was_paid_for():
    """One Hessian, one decomposition: a shorter radius costs neither. And radii fall faster and faster."""
    start = SADDLE.at(vector(1.0, 0.3))
    solver, ledger = ExactTrustRegion(initial_radius=1e6), Ledger()
    token = current.set(ledger)
    try:
        point, state, rejected = start, solver.init(start), 0
        while (step := solver.step(point, state))[0] is point:
            state, rejected = step[1], rejected + 1
            assert state.rejections == rejected and state.factor == 0.25**rejected
    finally:
        current.reset(token)
    assert rejected >= 3
    assert ledger.counts["hessians"] == ledger.counts["eigendecompositions"] == 1
    assert ledger.counts["factorisations"] == 1  # the one that failed
    assert ledger.counts["line_search_trials"] == rejected + 1


@pytest.mark.parametrize("name", ["trust-region-exact", "cubic"])
def test_the_region_follows_the_units_of_the_curvature(name):
    """From saturation, where curvatures are 1e-40 and less, as from anywhere."""
    X = normal(80, 4)
    y = (X @ vector(1, -1, 0.5, 0) + 1.5 * normal(80, seed=1) > 0).double()
    problem = LogisticRegression(X, y)
    best = minimize(SOLVERS["newton-cholesky"], problem).value
    for size in (0.0, 30.0, 100.0, 300.0):
        result = minimize(SOLVERS[name], problem, torch.full((4,), size).double())
        assert result.status == Status.CONVERGED and result.value == pytest.approx(best, rel=1e-9)
        assert result.iterations <= 60


def test_no_step_is_taken_where_the_model_is_exact_but_too_long():
    """On a quadratic every ratio is 1: the radius doubles until the Newton step fits, and that is the last."""
    H, g = matrix("definite", 5, 4), normal(5, seed=4)
    quadratic = model(H, g).objective
    result = minimize(ExactTrustRegion(initial_radius=1e-3, accuracy=1e-6), quadratic, torch.zeros(5).double())
    lengths = [float((units(quadratic.at(x)).sizes * (b - x)).norm()) for x, b in pairwise(result.trace.iterates)]
    grown = [b / a for a, b in pairwise(lengths[:-1])]
    assert result.status == Status.CONVERGED and len(grown) > 3
    assert all(ratio == pytest.approx(2.0, rel=1e-5) for ratio in grown[:-1])


@pytest.mark.parametrize("name", NAMES)
def test_columns_of_any_units_change_nothing(name):
    X = normal(200, 6)
    y = (X @ normal(6, seed=1) + 2 * normal(200, seed=2) > 0).double()
    scales = 10.0 ** vector(8, -8, 0, 2, -2, 4)
    plain, scaled = (minimize(SOLVERS[name], LogisticRegression(Z, y)) for Z in (X, X * scales))
    assert plain.status == scaled.status == Status.CONVERGED and plain.iterations == scaled.iterations
    assert torch.allclose(scaled.x * scales, plain.x, rtol=1e-6)
