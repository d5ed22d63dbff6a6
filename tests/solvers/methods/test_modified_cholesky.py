"""Newton by a modified LDL^T: |D| is what it should be, every direction descends, and saddles are left."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from solvers import SOLVERS, Status, minimize
from solvers.newton.modified_cholesky import modified_direction, modified_factors
from solvers.objectives import FunctionObjective
from tests.solvers.helpers import SADDLE, normal, vector

SOLVER = SOLVERS["newton-modified-cholesky"]


def symmetric(d: int, seed: int, *, zero_diagonal: bool = False) -> torch.Tensor:
    A = normal(d, d, seed=seed)
    A = A + A.T
    return A - A.diagonal().diag() if zero_diagonal else A


def solved(factors: torch.Tensor, pivots: torch.Tensor) -> torch.Tensor:
    """The inverse of the matrix that the factors stand for."""
    return torch.linalg.ldl_solve(factors, pivots, torch.eye(len(factors), dtype=factors.dtype))


@pytest.mark.parametrize("d", [1, 2, 3, 8, 40])
@pytest.mark.parametrize("zero_diagonal", [False, True])  # with one LAPACK needs blocks of order 2
@pytest.mark.parametrize("seed", range(3))
def test_the_modified_matrix_is_positive_definite(d, zero_diagonal, seed):
    A = symmetric(d, seed, zero_diagonal=zero_diagonal and d > 1)
    inverse = solved(*modified_factors(A))
    assert torch.allclose(inverse, inverse.T, atol=1e-8 * float(inverse.abs().max()))
    assert float(torch.linalg.eigvalsh((inverse + inverse.T) / 2)[0]) > 0


@pytest.mark.parametrize("seed", range(3))
def test_the_signs_of_the_blocks_are_all_that_changes(seed):
    """L |D| L^T and L D L^T have the same |determinant|; and of a positive definite matrix nothing changes."""
    A = symmetric(12, seed, zero_diagonal=True)
    assert bool((torch.linalg.ldl_factor(A).pivots < 0).any())
    there, back = torch.linalg.slogdet(A).logabsdet, torch.linalg.slogdet(solved(*modified_factors(A))).logabsdet
    assert float(there) == pytest.approx(-float(back), rel=1e-9)
    definite = A @ A.T
    assert torch.allclose(solved(*modified_factors(definite)) @ definite, torch.eye(12).double(), atol=1e-8)


@pytest.mark.parametrize("entries", [((0.0, 1.0), (1.0, 0.0)), ((1.0, 2.0), (2.0, 1.0)), ((-1.0, 2.0), (2.0, 1.0))])
def test_a_block_of_order_two_becomes_its_absolute_value(entries):
    """|A| = V |values| V^T: also the identity, whose block has no entry beside the diagonal any more."""
    A = torch.tensor(entries, dtype=torch.float64)
    values, vectors = torch.linalg.eigh(A)
    wanted = (vectors * values.abs()) @ vectors.T
    if bool((torch.linalg.ldl_factor(A).pivots < 0).all()):
        assert torch.allclose(solved(*modified_factors(A)) @ wanted, torch.eye(2).double(), atol=1e-12)
    else:
        assert float(torch.linalg.eigvalsh(solved(*modified_factors(A)))[0]) > 0


def test_a_block_of_order_two_was_among_them():
    assert bool((torch.linalg.ldl_factor(torch.tensor([[0.0, 1.0], [1.0, 0.0]]).double()).pivots < 0).all())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_every_direction_descends(dtype, seed):
    H, g = symmetric(15, seed, zero_diagonal=seed % 2 == 1).to(dtype), normal(15, seed=seed).to(dtype)
    point = FunctionObjective(lambda x: torch.dot(g, x) + 0.5 * torch.dot(x, H @ x)).at(torch.zeros_like(g))
    direction = modified_direction(point)
    assert bool(direction.isfinite().all()) and float(torch.dot(g, direction)) < 0


def test_a_definite_hessian_gives_newtons_step_and_no_shift(logistic):
    found, wanted = (
        minimize(SOLVERS[name], logistic(l2=0.1)) for name in ("newton-modified-cholesky", "newton-cholesky")
    )
    assert torch.equal(found.x, wanted.x) and found.counters == wanted.counters and found.counters["shifted"] == 0


def test_where_it_is_zero_that_is_not_called_converged():
    maximum = FunctionObjective(lambda x: -(x**2).sum() + (x**4).sum())
    for objective, start in ((SADDLE, (1.0, 0.0)), (SADDLE, (0.0, 0.0)), (maximum, (0.0, 0.0))):
        assert minimize(SOLVER, objective, vector(*start)).status == Status.STALLED
    result = minimize(SOLVER, maximum, vector(1e-6, -1e-6))
    assert result.status == Status.CONVERGED and result.value == pytest.approx(-0.5, abs=1e-9)


def test_values_fall_on_a_function_with_valleys_and_it_ends():
    wavy = FunctionObjective(lambda x: (x.square() / 20 + torch.cos(3 * x)).sum() + torch.sin(x[0] * x[1]))
    result = minimize(SOLVER, wavy, normal(6, seed=3))
    values = [float(wavy.at(x).value) for x in result.trace.iterates]
    assert result.status == Status.CONVERGED and all(b < a for a, b in pairwise(values[:-1]))
    assert float(torch.linalg.eigvalsh(wavy.at(result.x).hessian)[0]) > 0
