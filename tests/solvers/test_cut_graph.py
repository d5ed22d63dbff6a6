"""A function of which autograd sees only a part has no minimum where that part has one, and the user is told so."""

from __future__ import annotations

import pytest
import torch

from datasets.checks.derivatives import differences
from solvers import SOLVERS, Status, minimize
from solvers.core.slope_check import mismatch
from solvers.objectives import FunctionObjective, LeastSquares, Objective, Point

C = torch.tensor([1.0, 2.0, -3.0], dtype=torch.float64)
START = torch.full((3,), 5.0, dtype=torch.float64)
NAMES = ["newton", "newton-cholesky", "trust-region-exact", "lbfgs", "gradient-descent"]


def in_no_grad(p: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        penalty = 3 * p.square().sum()
    return (p - C).square().sum() + penalty


CUT = {
    "detach": lambda p: (p - C).square().sum() + p.detach().square().sum(),
    "item": lambda p: (p - C).square().sum() + 3 * p[0].item(),
    "data": lambda p: (p - C).square().sum() + (p.data - 1).pow(4).sum(),
    "no_grad": in_no_grad,
    "minimum at 0": lambda p: p.square().sum() + (p.detach() - 1).square().sum(),
    "false curvature": lambda p: p.square().sum() - 5 * p.detach().square().sum() + 0.1 * p.pow(4).sum(),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cut", CUT)
def test_the_minimum_of_a_part_is_not_called_converged(cut, name):
    found = minimize(SOLVERS[name], FunctionObjective(CUT[cut]), START)
    assert found.status is Status.STALLED
    assert "the gradient does not match f: g·d = " in found.message and "is a part of f cut" in found.message
    assert "datasets.checks.derivatives.differences(objective, x)" in found.message


def test_residuals_are_asked_likewise():
    found = minimize(SOLVERS["gauss-newton"], LeastSquares(lambda p: torch.cat([p - C, p.detach()])), START)
    assert found.status is Status.STALLED and "is a part of f cut" in found.message


def test_what_the_message_names_tells_a_part_from_the_whole():
    whole = FunctionObjective(lambda p: (p - C).square().sum() + p.square().sum())
    assert differences(whole, START).passed and not differences(FunctionObjective(CUT["detach"]), START).passed


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_a_gradient_that_matches_is_not_accused(dtype):
    """Beside bends, kinks, minima and values that do not exist either."""
    functions = [
        lambda p: p.square().sum(),
        lambda p: 1e6 + (p - 1).pow(4).sum(),
        lambda p: p.abs().sum(),
        lambda p: p.log().sum(),
        lambda p: (1e4 * p).cos().sum(),
        lambda p: 100 * (p[1] - p[0].square()).square() + (1 - p[0]).square(),
    ]
    starts = [[0.0, 0.0], [1.0, 1.0], [1.0, 1.0 + 1e-3], [3.0, -2.0], [1e-5, 10.0]]
    for k, f in enumerate(functions):
        for start in starts:
            point = FunctionObjective(f).at(torch.tensor(start, dtype=dtype))
            for direction in ([1.0, 0.0], [1e-9, 1.0], [-3.0, 1e4]):
                assert not mismatch(point, torch.tensor(direction, dtype=dtype)), (k, start, direction)


class Flipped(Objective):
    """1 + x^2 / 2 with the gradient of its negative, written by hand."""

    def at(self, x):
        return FlippedPoint(self, x)


class FlippedPoint(Point):
    value = property(lambda self: 1 + 0.5 * self.x.square().sum())
    gradient = property(lambda self: -self.x)
    hessian = property(lambda self: torch.eye(len(self.x), dtype=self.x.dtype))


def test_a_gradient_written_by_hand_is_compared_where_a_search_fails():
    found = minimize(SOLVERS["newton-cholesky"], Flipped(), torch.tensor([3.0, 4.0]).double())
    assert found.message.startswith("backtracking failed") and "this proves no minimum" in found.message
    assert "g·d = -25 along a direction, measured 25; is it that of another function?" in found.message
