"""Adaptive cubic regularisation: the model's global minimiser, and the driver where Hessians are indefinite."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from solvers import SOLVERS, Cubic, Ledger, Stop, minimize
from solvers.common.instrumentation import current
from solvers.core.eigensystem import spectrum, units
from tests.solvers.helpers import SADDLE, matrix, model, normal, vector

CUBIC = SOLVERS["cubic"]


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


def test_the_promised_gain_is_the_models():
    point = SADDLE.at(vector(1.0, 0.2))
    state = CUBIC.init(point)
    proposal = CUBIC.propose(point, state)
    s, (_, gain, _, _) = proposal.direction, proposal.state
    sizes = units(point).sizes
    sigma = CUBIC.initial_sigma / float((point.gradient / sizes).norm())
    cube = sigma / 3 * float((sizes * s).norm()) ** 3
    change = float(torch.dot(point.gradient, s) + 0.5 * torch.dot(s, point.hessian @ s)) + cube
    assert gain == pytest.approx(-change, rel=1e-9) and gain > 0


def test_a_rejected_step_keeps_the_point_and_raises_sigma_faster_and_faster():
    start, solver, ledger = SADDLE.at(vector(1.0, 0.3)), Cubic(initial_sigma=1e-9), Ledger()
    token = current.set(ledger)
    try:
        point, state, rejected = start, solver.init(start), 0
        sizes, sigmas = units(point).sizes, []
        while (step := solver.step(point, state))[0] is point:
            state, rejected = step[1], rejected + 1
            sigmas.append(state.sigma_cube / float((sizes * state.step).norm()) ** 3)
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
