"""A direction that moves no row the wrong way is proved in rational numbers, or not claimed."""

from __future__ import annotations

import math

import pytest
import torch

from solvers import SOLVERS, Status, Stop, minimize
from solvers.objectives import LogisticRegression, SoftmaxRegression
from solvers.objectives.linear.exact_direction import weakly_separates


def rows(*entries: list[float]) -> torch.Tensor:
    return torch.tensor(entries, dtype=torch.float64)


def test_a_rounded_direction_is_led_to_an_exact_one():
    """1/3 is no float, and the two first rows leave nothing but (1/3, 1) alone."""
    X, third = rows([3, -1], [-3, 1], [1, 1]), 1 / 3
    direction = torch.tensor([third, 1.0], dtype=torch.float64)
    assert float(X[0] @ direction) == 0  # to rounding
    for near in (third, math.nextafter(third, 0), math.nextafter(third, 1), 0.3):
        assert weakly_separates(X, torch.tensor([near, 1.0], dtype=torch.float64))


def test_a_last_digit_that_holds_is_seen():
    """Without the last row's digit the first two leave a direction alone, along which the third moves."""
    X = rows([1, 1], [-1, -1], [1, -1])
    assert weakly_separates(X, torch.tensor([1.0, -1.0]).double())
    X[1, 1] = math.nextafter(-1, -2)
    assert weakly_separates(X, torch.tensor([1.0, -1.0]).double())  # by it the second moves the right way
    assert not weakly_separates(torch.cat([X, -X]), torch.tensor([1.0, -1.0]).double())


@pytest.mark.parametrize("length", [1.0, 1e-13, 1e-300])
def test_a_row_holds_whatever_its_length(length):
    X = rows([1, 0, 0], [0, 1, 0], [-length, -length, 0])
    assert not weakly_separates(X, torch.tensor([1.0, 1.0, 5.0]).double())
    assert weakly_separates(X[:2], torch.tensor([1.0, 1.0, 5.0]).double())


@pytest.mark.parametrize("seed", range(20))
def test_rows_with_a_positive_sum_of_0_are_held_and_without_one_of_them_are_not(seed):
    """Whole numbers, so that the sum is exact (Stiemke 1915); half the rows are 1e-12 as long as the others."""
    generator = torch.Generator().manual_seed(seed)
    X = torch.randint(-9, 9, (4, 4), generator=generator).double()
    X = torch.cat([X, -X.sum(0, keepdim=True)])
    X[::2] *= 2.0**-40
    direction = torch.linalg.solve(X[:4], torch.tensor([1.0, 0.5, 1.0, 2.0]).double())
    assert not weakly_separates(X, direction)
    assert weakly_separates(X[:4], direction)


def test_a_label_that_is_a_probability_lets_its_row_move_neither_way():
    X, y = rows([1, 0], [2, 0], [-1, 0], [0, 1]), torch.tensor([1.0, 0, 1, 0.25]).double()
    problem = LogisticRegression(X, y)
    required = problem.signed_rows(torch.ones(4, dtype=torch.bool))
    assert sorted(required.tolist()) == [[-2, 0], [-1, 0], [0, -1], [0, 1], [1, 0]]


@pytest.mark.parametrize("kind", ["logistic", "softmax"])
def test_quasi_separation_by_rows_of_many_lengths_is_named(kind):
    """Over twelve powers of ten; a column that is 1 in one class alone separates, and the others overlap."""
    generator = torch.Generator().manual_seed(3)
    Z = torch.randn(40, 2, generator=generator, dtype=torch.float64)
    Z = Z * 10 ** (12 * torch.rand(40, 1, generator=generator, dtype=torch.float64) - 6)
    y = torch.randint(2, (40,), generator=generator)
    only_ones = (y * (Z[:, 0] > 0)).double().unsqueeze(1)
    X = torch.cat([Z, only_ones], dim=1)
    model = {"logistic": lambda X: LogisticRegression(X, y.double()), "softmax": lambda X: SoftmaxRegression(X, y)}
    for name in ("newton-cholesky", "newton-cg"):
        found = minimize(SOLVERS[name], model[kind](X), stop=Stop(iterations=200))
        assert found.status is Status.SEPARABLE, (name, found.message)
