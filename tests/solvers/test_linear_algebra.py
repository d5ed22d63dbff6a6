"""Newton systems: a shift always makes a finite symmetric matrix positive definite, whatever its diagonal."""

from __future__ import annotations

import pytest
import torch

from solvers import SOLVERS, Status, Stop, minimize
from solvers.linalg.cholesky import shifted_factor, visible_diagonal
from solvers.objectives import FunctionObjective, ResidualMLP

SHIFTED = ["newton-cholesky", "newton-shamanskii", "newton-self-concordant"]
REGIONS = ["trust-region-dogleg", "trust-region-exact", "cubic"]
DIAGONALS = [0.0, 1e-311, 1e-160, 1e-30, -1e-311]


@pytest.mark.parametrize("tiny", DIAGONALS)
def test_a_diagonal_entry_far_below_its_row_does_not_keep_a_shift_from_serving(tiny):
    """With D = |diag H| no multiple of D made this one positive definite: its first variable kept its unit."""
    H = torch.tensor([[tiny, 2.0, 0.0], [2.0, 1.0, 0.5], [0.0, 0.5, 3.0]], dtype=torch.float64)
    g = torch.tensor([1.0, -1.0, 2.0], dtype=torch.float64)
    found = shifted_factor(H)
    step = -found.solve(g)
    assert torch.allclose((H + torch.diag(found.shift / found.scale.square())) @ step, -g, atol=1e-12)
    assert float(torch.dot(g, step)) < 0 and 0.1 < float(step.norm()) < 10


def test_a_positive_semidefinite_matrix_keeps_its_diagonal_for_units():
    """Whatever the units of its columns: no entry exceeds sqrt(h_ii h_jj)."""
    X = torch.randn(9, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    X = torch.cat([X, X[:, :1]], dim=1) * torch.tensor([1e8, 1e-8, 1.0, 1e3, 1e-20], dtype=torch.float64)
    H = X.T @ X
    assert torch.equal(visible_diagonal(H), H.diagonal())


def test_a_shift_is_found_for_any_finite_matrix():
    generator = torch.Generator().manual_seed(0)
    for dtype in (torch.float64, torch.float32):
        for _ in range(200):
            exponents = torch.randint(-30, 8, (5, 5), generator=generator)
            H = torch.randn(5, 5, generator=generator, dtype=dtype) * 10.0**exponents
            H = H.where(torch.rand(5, 5, generator=generator) < 0.7, 0.0).to(dtype)
            assert shifted_factor(H + H.T) is not None


@pytest.mark.parametrize("name", [*SHIFTED, *REGIONS])
@pytest.mark.parametrize("tiny", DIAGONALS)
def test_a_saturated_variable_beside_a_saddle_is_no_singular_system(name, tiny):
    """f = x y + tiny x^2 / 2 + y^2 / 2 + x^4: indefinite at the start, with a diagonal entry that is as good as 0."""

    def f(v):
        x, y = v
        return x * y + 0.5 * tiny * x * x + 0.5 * y * y + x**4

    result = minimize(SOLVERS[name], FunctionObjective(f), torch.tensor([0.0, 1.0], dtype=torch.float64))
    assert result.status is Status.CONVERGED and result.value == pytest.approx(-1 / 16, abs=1e-9)
    assert result.iterations < 20  # with D = |diag H| some took 78, and others stayed where they began


@pytest.mark.parametrize("seed", range(20))
def test_damped_newton_is_never_out_of_directions_where_the_hessian_is_finite(seed):
    """Networks that saturate: LU divides by what is as good as 0, and the shifted direction serves instead."""
    generator = torch.Generator().manual_seed(seed)
    X, Y = (torch.randn(30, width, generator=generator, dtype=torch.float64) for width in (3, 1))
    net = ResidualMLP(X, Y, 2, "tanh")
    x0 = net.random_start(generator) + 0.1 * torch.randn(net.size, generator=generator, dtype=torch.float64)
    assert minimize(SOLVERS["newton-damped"], net, x0, Stop(iterations=60)).status is not Status.SINGULAR
