"""The exact rank of stored numbers: dependence is told from dependence to rounding, at any size of the entries."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch

from solvers.linalg.exact_rank import CHUNK, PRIME, exact_rank, modulo
from solvers.objectives import LogisticRegression, SoftmaxRegression


def whole(n: int, d: int, seed: int = 0, most: int = 9) -> torch.Tensor:
    return torch.randint(-most, most, (n, d), generator=torch.Generator().manual_seed(seed)).double()


def by_fractions(X: torch.Tensor) -> int:
    """Gaussian elimination with rational numbers."""
    rows, rank = [[Fraction(v) for v in row] for row in X.tolist()], 0
    for column in range(X.shape[1]):
        pivot = next((k for k in range(rank, len(rows)) if rows[k][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for k in range(rank + 1, len(rows)):
            ratio = rows[k][column] / rows[rank][column]
            rows[k] = [a - ratio * b for a, b in zip(rows[k], rows[rank], strict=True)]
        rank += 1
    return rank


def test_the_modulus_is_the_largest_prime_whose_sums_of_products_are_exact():
    primes = [
        k for k in range(1 << 21, 1 << 22) if k > (1 << 22) - 100 and all(k % q for q in range(2, math.isqrt(k) + 1))
    ]
    assert max(primes) == PRIME and CHUNK * (PRIME - 1) ** 2 < 2**53


def test_residues_of_large_whole_numbers_are_exact():
    numbers = [0, 1, PRIME - 1, PRIME, PRIME + 1, 2**53, 2**53 - 1, -1, -PRIME, -(2**53), (2**53 // PRIME) * PRIME]
    found = modulo(torch.tensor(numbers, dtype=torch.float64))
    assert found.tolist() == [math.fmod(k, PRIME) for k in numbers]


@pytest.mark.parametrize(("n", "d", "rank"), [(9, 4, 4), (9, 6, 3), (3, 8, 2), (700, 5, 4), (2000, 40, 31), (1, 1, 1)])
def test_a_product_has_the_rank_of_its_factors(n, d, rank):
    X = whole(n, rank) @ whole(rank, d, seed=1)
    assert exact_rank(X) == exact_rank(X.to_sparse_csr()) == exact_rank(X.float()) == rank


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e300, 1e-300, 5e-324])
def test_one_last_digit_is_a_rank(size):
    b = whole(50, 1) * size
    if size == 1e-3:
        assert not torch.equal(b, b.round())
    changed = b.clone()
    changed[17] = torch.nextafter(b[17], torch.tensor([math.inf]).double())
    assert exact_rank(torch.cat([b, b], dim=1)) == 1
    assert exact_rank(torch.cat([b, changed], dim=1)) == 2


@pytest.mark.parametrize("seed", range(5))
def test_it_agrees_with_rational_numbers(seed):
    X = torch.randn(7, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    rounded = torch.cat([X, X[:, :1] + X[:, 1:2], X[:, :1] * 8, X[:, :1] * 0.1], dim=1)
    assert exact_rank(rounded) == by_fractions(rounded)
    ones = torch.cat([rounded, torch.ones(7, 1).double()], dim=1)
    assert exact_rank(rounded, intercept=True) == by_fractions(ones)


def test_the_intercept_is_a_column_of_ones_and_zeros_have_no_rank():
    assert exact_rank(torch.full((5, 1), 3.0), intercept=True) == 1
    assert exact_rank(torch.zeros(5, 2)) == 0 and exact_rank(torch.zeros(5, 2), intercept=True) == 1
    assert exact_rank(torch.zeros(5, 0), intercept=True) == 1


def test_what_a_loss_does_not_see_is_counted():
    X, y = torch.cat([whole(30, 3), torch.zeros(30, 1)], dim=1), torch.arange(30) % 2
    assert LogisticRegression(X, y.double()).null_space_dimension == 1
    assert LogisticRegression(X, y.double(), fit_intercept=True).null_space_dimension == 1
    assert SoftmaxRegression(X, y + (torch.arange(30) % 3 == 0)).null_space_dimension == 4 + 2 * 1
    assert SoftmaxRegression(X[:, :3], y, fit_intercept=True).null_space_dimension == 4  # as many as rows of W
    assert LogisticRegression(torch.zeros(2, 1001), y[:2].double()).null_space_dimension is None  # too expensive
