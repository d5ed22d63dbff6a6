"""How a run that did not converge ends: the message names what is wrong with the function it was given."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from solvers import SOLVERS, Result, Status, Stop, minimize
from solvers.core.decrement import not_finite
from solvers.objectives import FunctionObjective
from tests.fakes import GENERAL
from tests.solvers.helpers import vector

DENSE = ["newton", "newton-cholesky", "newton-damped", "newton-levenberg", "newton-modified-cholesky", "cubic"]
DENSE += ["trust-region-exact", "trust-region-dogleg"]
SEARCHING = [*DENSE[1:], "newton-cg", "trust-region-steihaug"]


def run(name: str, f, *start: float, **stop) -> Result:
    return minimize(SOLVERS[name], FunctionObjective(f), vector(*start), Stop(**stop))


# --- derivatives that are not finite


@pytest.mark.parametrize("name", [*DENSE, "newton-cg", "trust-region-steihaug"])
def test_a_function_that_is_not_twice_differentiable_is_named(name):
    """|x|^1.5 at 0, where its second derivative is infinite, and by autograd 0 * inf."""
    found = run(name, lambda x: (x.abs() ** 1.5).sum(), 0.0, 1.0)
    assert found.status is Status.DIVERGED
    assert "at iterate 0: f is not twice differentiable there" in found.message
    assert "NaN entr" in found.message and "positive semidefinite" not in found.message


@pytest.mark.parametrize("name", GENERAL)
def test_a_function_that_is_not_differentiable_is_named(name):
    found = run(name, lambda x: x.square().sum().sqrt(), 0.0, 0.0)
    assert found.status is Status.DIVERGED
    assert found.message.startswith("the gradient has 2 NaN entries at iterate 0: f is not differentiable there")


def test_nan_and_infinite_entries_are_counted_apart():
    H = torch.diag(vector(math.inf, math.nan, 2.0))
    assert not_finite(H) == "1 NaN and 1 infinite entries" and not_finite(H[:1]) == "1 infinite entry"
    assert not_finite(torch.eye(3)) == ""


@pytest.mark.parametrize("name", ["lbfgs", "gradient-descent-armijo"])
def test_a_hessian_that_is_nan_is_never_called_indefinite(name):
    found = run(name, lambda x: (x.abs() ** 1.5).sum(), 0.0, 1.0)
    assert found.status is Status.STALLED and "the Hessian has" in found.message and "NaN" in found.message
    assert "positive semidefinite" not in found.message


# --- saddles


def saddle() -> tuple[Tensor, float]:
    """H over ten decades with one eigenvalue of -1e-3."""
    Q, _ = torch.linalg.qr(torch.randn(11, 11, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    H = Q @ torch.diag(torch.cat([torch.logspace(5, -5, 10, dtype=torch.float64), vector(-1e-3)])) @ Q.T
    return (H + H.T) / 2, -1e-3


@pytest.mark.parametrize("name", [name for name in SEARCHING if name not in ("cubic", "trust-region-exact")])
def test_a_saddle_is_named_with_its_eigenvalue(name):
    H, lowest = saddle()
    found = minimize(SOLVERS[name], FunctionObjective(lambda x: 0.5 * x @ H @ x), torch.zeros(11, dtype=torch.float64))
    assert found.status is Status.STALLED
    words, value = found.message.rsplit(" ", 1)
    assert words == "a saddle point: the gradient is 0 to rounding, the lowest eigenvalue of the Hessian is"
    assert float(value) == pytest.approx(lowest, rel=1e-2)


def test_a_point_on_a_slope_is_no_saddle_whatever_its_hessian():
    """f stops being defined where the run would go: it stalls, at an indefinite Hessian, with a gradient."""

    def f(x):
        return torch.where(x[0] < 1.0, x[0] * x[1] - x[0], torch.nan * x[0])

    found = run("gradient-descent-armijo", f, 1.0 - 2.0**-53, 0.0, iterations=50)
    assert "saddle" not in found.message


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", SEARCHING)
def test_a_start_at_which_every_unit_is_off_says_that_the_hessian_is_zero(name, dtype):
    f = FunctionObjective(lambda x: torch.relu(x).square().sum() + 1)
    found = minimize(SOLVERS[name], f, torch.full((2,), -1.0, dtype=dtype))
    assert "gradient and Hessian are zero there" in found.message


# --- minima along a line or a surface on which f is constant

FLAT = {
    "circle": lambda x: (x @ x - 1) ** 2 + 0.7,
    "norm": lambda x: x @ x - torch.log(x @ x),
    "distance": lambda x: (x.norm() - 2) ** 2 + 3,
    "cosh": lambda x: torch.cosh(x @ x - 3),
    "determinant": lambda x: (torch.linalg.det(x[:4].view(2, 2)) - 2) ** 2 + x[4:].square().sum() + 5,
    "sum": lambda x: torch.cosh(x.sum() - 1),
}
LOWEST = {"circle": 0.7, "norm": 1.0, "distance": 3.0, "cosh": 1.0, "determinant": 5.0, "sum": 1.0}


@pytest.mark.parametrize("name", SEARCHING)
def test_a_minimum_along_a_flat_line_is_found(name):
    """Rounding makes its curvature along the line negative, and a slope there is rounding too."""
    missed = {}
    for kind, f in FLAT.items():
        for seed in range(3):
            start = torch.randn(5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
            found = minimize(SOLVERS[name], FunctionObjective(f), start, Stop(iterations=100))
            if found.status is Status.CONVERGED:
                assert found.value <= LOWEST[kind] * (1 + 2e-10)
            elif not found.message.startswith("a saddle point"):  # det has one at 0, and some go straight to it
                missed[kind, seed] = found.message
    assert len(missed) <= (1 if name == "trust-region-exact" else 0), missed


def test_flat_directions_are_counted_in_the_message():
    found = run("newton-cholesky", FLAT["cosh"], 0.3, 0.8, 0.1)
    assert found.status is Status.CONVERGED
    assert "constant to rounding along 2 of 3 directions" in found.message or "Cholesky" in found.bound
    found = run("newton-cholesky", lambda x: (x.sum() - 1) ** 2 + 1, 0.3, 0.8, 0.1)
    assert "constant to rounding along 2 of 3 directions" in found.message and "singular to rounding" in found.bound


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHING)
def test_a_valley_that_still_falls_is_no_flat_line(name):
    """The floor of (||x||^2 - 1)^2 + slope x_0 falls all the way round: nothing on it but its lowest point passes."""
    for slope in (1e-2, 1e-4, 1e-6):
        f = FunctionObjective(lambda x, slope=slope: (x @ x - 1) ** 2 + slope * x[0] + 1)
        found = minimize(SOLVERS[name], f, vector(0.3, 0.8), Stop(iterations=400))
        if found.status is Status.CONVERGED and "Cholesky" not in found.bound:
            t = torch.linspace(-1.01, -0.99, 20001, dtype=torch.float64)
            assert found.value - float(((t * t - 1) ** 2 + slope * t + 1).min()) <= 3e-10 * found.value
