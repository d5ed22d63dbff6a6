"""Curvature that is bounded, kept, sketched or estimated: what it has in common with the Hessian."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from solvers import (
    SOLVERS,
    CholeskyNewton,
    DampedDiagonalNewton,
    DiagonalMajoriser,
    FixedHessianNewton,
    HutchinsonNewton,
    ShamanskiiNewton,
    SketchedNewton,
    Status,
    Stop,
    minimize,
)
from solvers.objectives import FunctionObjective, LogisticRegression, ResidualMLP, SoftmaxRegression
from tests.solvers.helpers import values

KINDS = ["dense", "soft", "csr", "intercept", "csr and intercept", "sum", "softmax", "softmax, csr and intercept"]


@pytest.fixture
def problem(logistic, request):
    kind = request.param
    settings = dict(l2=0.05, csr="csr" in kind, fit_intercept="intercept" in kind, soft=kind == "soft")
    f = logistic(n=80, **settings, reduction="sum" if kind == "sum" else "mean")
    if "softmax" not in kind:
        return f
    y = torch.randint(3, (80,), generator=torch.Generator().manual_seed(1))
    return SoftmaxRegression(f.X, y, l2=0.05, fit_intercept=settings["fit_intercept"])


def random_points(f, count: int = 8):
    generator = torch.Generator().manual_seed(2)
    return [f.at(3 * x) for x in torch.randn(count, f.size, generator=generator, dtype=torch.float64)]


# --- bounds


@pytest.mark.parametrize("problem", KINDS, indirect=True)
def test_both_bounds_lie_above_every_hessian_and_the_full_one_touches_it(problem):
    full, diagonal = problem.curvature_bound(), problem.diagonal_curvature_bound()
    for point in [*random_points(problem), problem.at(problem.zeros())]:
        for bound in (full, diagonal.diag()):
            assert float(torch.linalg.eigvalsh(bound - point.hessian)[0]) >= -1e-13 * float(diagonal.max())
    assert float(torch.linalg.eigvalsh(diagonal.diag() - full)[0]) >= -1e-13 * float(diagonal.max())
    if isinstance(problem, LogisticRegression):
        X = problem.X.to_dense()
        X = torch.cat([X, torch.ones(80, 1).double()], dim=1) if problem.fit_intercept else X
        penalty = torch.full((problem.size,), 0.05, dtype=torch.float64)
        penalty[-1] *= not problem.fit_intercept
        assert torch.allclose(full, problem.scale / 4 * X.T @ X + penalty.diag(), rtol=1e-12)
        assert torch.allclose(diagonal, problem.scale / 4 * (X.abs().T @ X.abs()).sum(1) + penalty, rtol=1e-12)


def test_the_softmax_bound_is_no_larger_than_it_must_be():
    """With half the weight on each of two classes the curvature reaches it."""
    f = SoftmaxRegression(torch.ones(1, 1, dtype=torch.float64), torch.tensor([0]), classes=3)
    far = f.at(torch.tensor([0.0, 0.0, -50.0], dtype=torch.float64))
    assert abs(float(torch.linalg.eigvalsh(f.curvature_bound() - far.hessian)[1])) < 1e-12


@pytest.mark.parametrize("problem", KINDS, indirect=True)
@pytest.mark.parametrize("solver", [FixedHessianNewton(), DiagonalMajoriser()])
def test_every_whole_step_gains_half_its_slope(problem, solver):
    """The decrease that is proved, from far and near, and so no trial is ever rejected."""
    for start in random_points(problem, 3):
        state = solver.init(start)
        point = start
        for _ in range(20):
            proposal = solver.propose(point, state)
            moved, state = solver.move(point, proposal)
            assert torch.allclose(moved.x, (point + proposal.direction).x, rtol=1e-14)
            noise = 1e-14 * abs(float(point.value))
            assert float(moved.value) <= float(point.value) + proposal.slope / 2 + noise
            point = moved


def test_one_hessian_and_one_factorisation_are_all_it_takes(logistic):
    result = minimize(FixedHessianNewton(), logistic(l2=0.1), stop=Stop(None, iterations=30))
    assert (result.counters["hessians"], result.counters["factorisations"]) == (1, 1)
    assert result.counters["solves"] >= 30 and "bounds the Hessian everywhere" in result.message


def network() -> tuple[ResidualMLP, torch.Tensor]:
    X = torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    f = ResidualMLP(X, X.sum(1), depth=1)
    return f, f.random_start(torch.Generator().manual_seed(1))


def test_without_a_bound_the_hessian_at_the_start_stays_and_the_message_says_so():
    f = FunctionObjective(lambda x: torch.cosh(x).sum() + x[0] * x[1] / 4)
    x0 = torch.tensor([1.0, -0.5], dtype=torch.float64)
    result = minimize(FixedHessianNewton(), f, x0)
    assert result.status == Status.CONVERGED and "Hessian at the start" in result.message
    solver = FixedHessianNewton()
    assert torch.allclose(
        solver.propose(f.at(x0 / 3), solver.init(f.at(x0))).direction,
        -torch.linalg.solve(f.at(x0).hessian, f.at(x0 / 3).gradient),
    )


@pytest.mark.parametrize("name", ["diagonal-majoriser", "newton-sketched"])
def test_a_method_whose_objective_lacks_what_it_needs_says_so(name):
    f, x0 = network()
    for result in (
        minimize(SOLVERS[name], f, x0),
        minimize(SOLVERS[name], FunctionObjective(lambda x: x.square().sum()), torch.ones(2)),
    ):
        assert result.status == Status.ERROR and result.iterations == 0 and "this objective has no" in result.message


@pytest.mark.parametrize("name", ["newton-fixed-hessian", "newton-shamanskii", "newton-diagonal-hutchinson"])
def test_a_network_goes_down(name):
    f, x0 = network()
    found = values(SOLVERS[name], f, x0, 40)
    assert all(after <= before for before, after in pairwise(found)) and found[-1] < 0.5 * found[0]


# --- a Hessian kept for some steps


def test_with_one_step_it_is_newton_with_a_search(logistic):
    f, x0 = logistic(l2=0.01), torch.full((4,), 4.0, dtype=torch.float64)
    solvers, stop = (ShamanskiiNewton(steps=1), CholeskyNewton()), Stop(None, iterations=6)
    one, newton = (minimize(solver, f, x0, stop).trace.iterates for solver in solvers)
    assert all(torch.allclose(a, b, rtol=1e-12, atol=1e-14) for a, b in zip(one, newton, strict=True))


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_a_factor_is_kept_for_so_many_steps_where_it_contracts(logistic, steps):
    solver = ShamanskiiNewton(steps=steps, contraction=1e9)
    result = minimize(solver, logistic(l2=0.1), stop=Stop(None, iterations=6))
    assert result.counters["factorisations"] == -(-6 // steps)
    eager = minimize(ShamanskiiNewton(steps=steps, contraction=1e-9), logistic(l2=0.1), stop=Stop(None, iterations=6))
    assert eager.counters["factorisations"] == 6


def test_a_kept_factor_gives_the_chord(logistic):
    f = logistic(l2=0.1)
    solver = ShamanskiiNewton(steps=3, contraction=1e9)
    first, state = solver.step(f.at(f.zeros()), solver.init(f.at(f.zeros())))
    second = solver.propose(first, state)
    assert torch.allclose(second.direction, -torch.linalg.solve(f.at(f.zeros()).hessian, first.gradient))


# --- sketches


@pytest.mark.parametrize("problem", KINDS[:6], indirect=True)
def test_a_sketch_with_all_rows_is_orthogonal_and_loses_nothing(problem):
    point = random_points(problem, 1)[0]
    sketched = point.sketched_hessian(80, torch.Generator().manual_seed(0))
    assert torch.allclose(sketched, point.hessian, rtol=1e-11, atol=1e-13)
    solvers = (SketchedNewton(rows_per_coefficient=1000), CholeskyNewton())
    exact, newton = (minimize(solver, problem, stop=Stop(None, iterations=4)).x for solver in solvers)
    assert torch.allclose(exact, newton, rtol=1e-9)


@pytest.mark.parametrize("problem", KINDS, indirect=True)
def test_a_sketch_is_right_in_the_mean(problem):
    point, count = random_points(problem, 1)[0], 400
    sketches = [point.sketched_hessian(20, torch.Generator().manual_seed(k)) for k in range(count)]
    errors = torch.stack(sketches) - point.hessian
    assert bool((errors.mean(0).abs() <= 5 * errors.std(0) / count**0.5 + 1e-13).all())
    assert float(errors.std(0).max()) > 1e-3 * float(point.hessian.abs().max())


def test_each_step_draws_another_sketch_and_the_seed_decides_which(logistic):
    f = logistic(n=200, l2=0.1)
    point, solver = f.at(f.zeros()), SketchedNewton(rows_per_coefficient=5)
    assert not torch.equal(solver.sketched(point, 0), solver.sketched(point, 1))
    assert torch.equal(solver.sketched(point, 0), solver.sketched(point, 0))
    assert not torch.equal(solver.sketched(point, 0), SketchedNewton(rows_per_coefficient=5, seed=1).sketched(point, 0))
    result = minimize(solver, f)
    assert result.status == Status.CONVERGED and result.counters["sample_hessians"] >= result.iterations


# --- estimates of the diagonal


@pytest.mark.parametrize("seed", range(5))
def test_one_probe_is_exact_for_a_diagonal_hessian(seed):
    f = FunctionObjective(lambda x: (x**4).sum() + x.exp().sum())
    x = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    found = HutchinsonNewton(seed=seed).estimate(f.at(x), 3)
    assert torch.allclose(found, 12 * x**2 + x.exp(), rtol=1e-12)
    steps = [
        minimize(s, f, x, Stop(None, iterations=5)).x
        for s in (HutchinsonNewton(seed=seed, average=0.0), DampedDiagonalNewton())
    ]
    assert torch.allclose(*steps, rtol=1e-9)


@pytest.mark.parametrize("probes", [1, 4])
def test_the_estimate_is_right_in_the_mean(logistic, probes):
    f, count = logistic(l2=0.1), 400
    point = f.at(torch.ones(4, dtype=torch.float64))
    errors = (
        torch.stack([HutchinsonNewton(probes=probes).estimate(point, k) for k in range(count)]) - point.hessian_diagonal
    )
    deviation = errors.std(0)
    assert bool((errors.mean(0).abs() <= 4 * deviation / count**0.5).all())
    squares = point.hessian.square()
    expected = ((squares.sum(1) - squares.diagonal()) / probes).sqrt()  # of off-diagonal entries with random signs
    assert torch.allclose(deviation, expected, rtol=0.15)


def test_the_average_over_steps_has_weights_that_add_up_to_one():
    """Of a constant diagonal Hessian it is that diagonal at every step."""
    f = FunctionObjective(lambda x: (torch.tensor([1.0, 5.0, 20.0]).double() * x.square()).sum() / 2)
    solver = HutchinsonNewton()
    point = f.at(torch.ones(3, dtype=torch.float64))
    state = solver.init(point)
    for _ in range(4):
        proposal = solver.propose(point, state)
        assert torch.allclose(proposal.direction, -torch.ones(3, dtype=torch.float64))
        state = proposal.state._replace(last=None)


def test_products_are_all_it_asks_for(logistic):
    result = minimize(HutchinsonNewton(probes=2), logistic(l2=0.1), stop=Stop(None, iterations=9))
    assert result.counters["hessians"] == result.counters["hessian_diagonals"] == 0
    assert result.counters["hessian_vector_products"] == 2 * 9


@pytest.mark.parametrize("solver", [HutchinsonNewton(), SketchedNewton(rows_per_coefficient=2)])
def test_a_run_that_cannot_go_on_draws_a_few_times_more_and_stalls(solver):
    """The gradient is wrong: it promises a decrease that is not there."""

    class Wrong(LogisticRegression):
        def at(self, x):
            point = super().at(x)
            point.gradient = -super().at(x).gradient
            return point

    X = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    result = minimize(
        solver, Wrong(X, (X[:, 0] > 0).double(), l2=0.1), torch.ones(3).double(), Stop(0.0, iterations=50)
    )
    assert result.status == Status.STALLED and 1 < result.iterations < 10
