"""Adaptive cubic regularisation: the model's global minimiser, and the driver where Hessians are indefinite."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from solvers import SOLVERS, Cubic, Ledger, Status, Stop, minimize
from solvers.common.instrumentation import current
from solvers.core.eigensystem import spectrum, units
from solvers.objectives import FunctionObjective, LogisticRegression

CUBIC = SOLVERS["cubic"]
SADDLE = FunctionObjective(lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4)  # minima -1/4 at (0, +-1/sqrt 2)


def vector(*entries: float) -> torch.Tensor:
    return torch.tensor(entries, dtype=torch.float64)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def model(H: torch.Tensor, g: torch.Tensor):
    """The point 0 of g^T x + x^T H x / 2."""
    return FunctionObjective(lambda x: torch.dot(g, x) + 0.5 * torch.dot(x, H @ x)).at(torch.zeros_like(g))


def matrix(kind: str, d: int, seed: int) -> torch.Tensor:
    values = normal(d, seed=seed + 100).abs() + 0.1
    values[: {"definite": 0, "singular": 2, "indefinite": 2, "negative": d}[kind]] *= 0 if kind == "singular" else -1
    Q = torch.linalg.qr(normal(d, d, seed=seed)).Q
    H = (Q * values) @ Q.T
    return (H + H.T) / 2


@pytest.mark.parametrize("kind", ["definite", "singular", "indefinite", "negative"])
@pytest.mark.parametrize("weight", [1e-8, 0.1, 1.0, 1e8])
@pytest.mark.parametrize("seed", range(3))
def test_the_step_meets_the_conditions_of_a_global_minimiser(kind, weight, seed):
    """(H + lambda D) s = -g, lambda = sigma ||s||, H + lambda D positive semidefinite (Cartis et al., theorem 3.1)."""
    H, g = matrix(kind, 7, seed), normal(7, seed=seed)
    point = model(H, g)
    sizes = units(point).sizes
    step, length, shift = spectrum(point, sizes).regularised(weight)
    shifted = H + shift * sizes.square().diag()
    assert length == pytest.approx(float((sizes * step).norm()), rel=1e-9)
    assert shift == pytest.approx(weight * length, rel=1e-6)
    scale = float(g.norm()) + float(H.abs().max()) * float(step.norm())
    assert float((shifted @ step + g).norm()) <= 1e-8 * scale
    assert float(torch.linalg.eigvalsh(shifted / torch.outer(sizes, sizes))[0]) >= -1e-10


@pytest.mark.parametrize("H, g", [
    ((1.0, 2.0), (0.3, -0.2)), ((-1.0, 2.0), (0.3, -0.2)), ((-1.0, 2.0), (0.0, 0.2)), ((-2.0, -1.0), (0.0, 0.0)),
])  # fmt: skip
def test_no_point_of_the_plane_is_lower(H, g):
    """By brute force; the last two are the hard case."""
    H, g, weight = vector(*H).diag(), vector(*g), 0.7
    point = model(H, g)
    sizes = units(point).sizes
    step, length, _ = spectrum(point, sizes).regularised(weight)

    def value(s):  # (2, k)
        cube = (sizes.unsqueeze(1) * s).norm(dim=0) ** 3
        return g @ s + 0.5 * (s * (H @ s)).sum(0) + weight / 3 * cube

    axis = torch.linspace(-4, 4, 1601, dtype=torch.float64)
    plane = torch.cartesian_prod(axis, axis).T
    lowest, own = float(value(plane).min()), float(value(step.unsqueeze(1)))
    assert lowest - 1e-3 <= own <= lowest + 1e-12 and length < 4


@pytest.mark.parametrize("start", [(1.0, 0.0), (1.0, 1e-8), (0.0, 0.0)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_it_leaves_a_saddle_also_where_the_gradient_does_not_show_the_way(start, dtype):
    result = minimize(CUBIC, SADDLE, vector(*start).to(dtype))
    assert result.status == Status.CONVERGED and result.iterations <= 12
    assert result.value == pytest.approx(-0.25, abs=1e-9 if dtype == torch.float64 else 1e-5)


def test_it_finds_the_minima_of_rosenbrock_and_a_monkey_saddle():
    rosenbrock = FunctionObjective(lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2)
    found = minimize(CUBIC, rosenbrock, vector(-1.2, 1.0), Stop(iterations=100))
    assert found.status == Status.CONVERGED and torch.allclose(found.x, torch.ones(2).double(), atol=1e-6)
    monkey = FunctionObjective(lambda x: x[0] ** 3 - 3 * x[0] * x[1] ** 2 + (x[0] ** 2 + x[1] ** 2) ** 2)
    for start in ((1.0, 0.0), (0.1, 1e-9), (1e-3, 0.0)):
        result = minimize(CUBIC, monkey, vector(*start))
        assert result.status == Status.CONVERGED and result.value == pytest.approx(-27 / 256, abs=1e-9)


def test_the_promised_gain_is_the_models():
    point = SADDLE.at(vector(1.0, 0.2))
    state = CUBIC.init(point)
    proposal = CUBIC.propose(point, state)
    s, (_, gain, _, _) = proposal.direction, proposal.state
    sizes = units(point).sizes
    sigma = CUBIC.start / float((point.gradient / sizes).norm())
    cube = sigma / 3 * float((sizes * s).norm()) ** 3
    change = float(torch.dot(point.gradient, s) + 0.5 * torch.dot(s, point.hessian @ s)) + cube
    assert gain == pytest.approx(-change, rel=1e-9) and gain > 0


def test_a_rejected_step_keeps_the_point_and_raises_sigma_faster_and_faster():
    start, solver, ledger = SADDLE.at(vector(1.0, 0.3)), Cubic(start=1e-9), Ledger()
    token = current.set(ledger)
    try:
        point, state, rejected = start, solver.init(start), 0
        sizes, sigmas = units(point).sizes, []
        while (step := solver.step(point, state))[0] is point:
            state, rejected = step[1], rejected + 1
            sigmas.append(state.cube / float((sizes * state.step).norm()) ** 3)
    finally:
        current.reset(token)
    assert rejected >= 3
    rises = [b / a for a, b in itertools.pairwise(sigmas)]
    assert rises == pytest.approx([2.0**k for k in range(2, rejected + 1)], rel=1e-6)
    assert ledger.counts["hessians"] == ledger.counts["eigendecompositions"] == 1
    assert ledger.counts["line_search_trials"] == rejected + 1


def test_convergence_is_quadratic(logistic):
    """sigma ||s|| vanishes with the step: the errors' exponents double."""
    objective = logistic(l2=0.1)
    best = minimize(SOLVERS["newton-cholesky"], objective, stop=Stop(0.0)).x
    errors = [float((x - best).norm()) for x in minimize(CUBIC, objective, stop=Stop(1e-14)).trace.iterates]
    late = [math.log(b) / math.log(a) for a, b in itertools.pairwise(errors) if 1e-7 < a < 0.1 and b > 0]
    assert len(late) >= 2 and all(1.5 < order for order in late)


@pytest.mark.parametrize("size", [0.0, 30.0, 100.0])
def test_sigma_follows_the_units_of_the_curvature_out_of_saturation(size):
    X = normal(80, 4)
    y = (X @ vector(1, -1, 0.5, 0) + 1.5 * normal(80, seed=1) > 0).double()
    problem = LogisticRegression(X, y)
    best = minimize(SOLVERS["newton-cholesky"], problem).value
    result = minimize(CUBIC, problem, torch.full((4,), size).double())
    assert result.status == Status.CONVERGED and result.value == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("settings", [
    dict(start=0.0), dict(accept=0.95), dict(good=1.0), dict(rise=1.0), dict(fall=0.5), dict(fall=-2.0),
])  # fmt: skip
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Cubic(**settings)
