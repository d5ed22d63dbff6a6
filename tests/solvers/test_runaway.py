"""`diverged` is said of a function that falls for ever, and never of one that has a minimum, whatever its scale."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from solvers import SOLVERS, Result, Status, Stop, minimize
from solvers.core.convergence import UNBOUNDED_ITERATES as RUNAWAY
from solvers.core.runaway import decreases_to_the_end, falls_without_bound
from solvers.objectives import FunctionObjective

NAMES = ["newton-cholesky", "newton-levenberg", "trust-region-exact", "cubic", "newton-cg", "lbfgs", "nesterov"]

BOUNDED = {  # with starts
    "a bowl": (lambda x: x @ x / 2 - x.sum(), (0.0, 0.0)),
    "waves": (lambda x: x.cos().sum(), (0.3, 1.0)),
    "a well": (lambda x: -1 / (1 + x.square().sum()), (3.0, 0.0)),
    "a narrow well": (lambda x: -(-(x - 10).square().sum()).exp(), (0.0,)),
    "a step": (lambda x: -x.sigmoid().sum(), (0.0, 1.0)),
}
UNBOUNDED = {
    "-x^2": (lambda x: -x.square().sum(), (1.0, -3.0)),
    "-exp x": (lambda x: -x.exp().sum(), (0.0,)),
    "x^3": (lambda x: x.pow(3).sum(), (-1.0,)),
}
FALLING = {
    "-sum x": (lambda x: -x.sum(), (0.0, 0.0)),
    "-sum x from elsewhere": (lambda x: -x.sum(), (1.0, 2.0)),
}
NO_MINIMISER = {"1/x": (lambda x: (1 / x).sum(), (1.0,)), "exp(-x)": (lambda x: (-x).exp().sum(), (0.0,))} | {
    "(atan x - 2)^2": (lambda x: (x.atan() - 2).square().sum(), (0.0,))
}


def run(name: str, f, start, dtype=torch.float64, **stop) -> Result:
    return minimize(SOLVERS[name], FunctionObjective(f), torch.tensor(start, dtype=dtype), Stop(**stop))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_no_multiple_of_a_bounded_function_falls_without_bound(dtype):
    wrong = {}
    exponents = (-300, -100, 33, 100, 300) if dtype == torch.float64 else (-37, -15, 15, 20, 36)
    for kind, (f, start) in BOUNDED.items():
        for exponent in exponents:
            for name in NAMES:
                found = run(name, lambda x, f=f, c=10.0**exponent: c * f(x), start, dtype, iterations=60)
                if "without bound" in found.message:
                    wrong[kind, exponent, name] = found.message
    assert wrong == {}


def test_a_large_bowl_is_solved_exactly():
    """A step of Newton's method ends at (1, 1), where f is -1e33: below any threshold that is a number."""
    for name in ("newton-cholesky", "newton-levenberg", "trust-region-exact", "cubic", "lbfgs", "bfgs"):
        for dtype, c in ((torch.float64, 1e33), (torch.float64, 1e100), (torch.float32, 1e15)):
            found = run(name, lambda x, c=c: c * (x @ x / 2 - x.sum()), (0.0, 0.0), dtype)
            assert found.status is Status.CONVERGED, (name, dtype, c, found.message)
            assert torch.allclose(found.x, torch.ones(2, dtype=dtype), rtol=1e-4)


def test_large_counts_are_no_abyss():
    """The loss of a Poisson regression with counts of 1e13, without its constant, falls to -1.3e15."""
    counts = torch.tensor([1.0e13, 2.0e13, 1.5e13])
    for name in ("newton-cholesky", "trust-region-exact", "newton-levenberg"):
        found = run(name, lambda x: (x.exp() - counts.to(x) * x).sum(), (0.0,), torch.float32)
        assert found.status is not Status.DIVERGED, (name, found.message)


@pytest.mark.parametrize("c", [1e-30, 1.0, 1e30])
def test_what_falls_without_bound_is_diverged_at_any_scale(c):
    wrong = {}
    for kind, (f, start) in UNBOUNDED.items():
        for name in NAMES:
            if name == "newton-cg" and c < 1:  # whose first step along a negative curvature has a unit of its own
                continue
            found = run(name, lambda x, f=f: c * f(x), start)
            if found.status is not Status.DIVERGED:
                wrong[kind, name] = (found.status, found.message)
    for kind, (f, start) in FALLING.items():
        for name in ("newton-levenberg", "lbfgs", "nesterov"):  # the others go as far as 1000 steps of one length
            found = run(name, lambda x, f=f: c * f(x), start)
            if found.status is not Status.DIVERGED or "without bound" not in found.message:
                wrong[kind, name] = (found.status, found.message)
    assert wrong == {}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_function_that_only_tends_to_its_infimum_has_no_minimum(dtype):
    wrong = {}
    for kind, (f, start) in NO_MINIMISER.items():
        for name in ("newton-cholesky", "newton-cg", "trust-region-exact", "lbfgs", "nesterov"):
            found = run(name, f, start, dtype)
            if (found.status, found.message) != (Status.DIVERGED, RUNAWAY):
                wrong[kind, name] = (found.status, found.message)
    assert wrong == {}


DIP = "a dip on the way down"
MINIMA = {
    "far": (lambda x: (x / 1e10 - 1).square().sum(), (0.0,)),
    "flat beyond": (lambda x: torch.relu(1 - x).square().sum(), (-3.0,)),
    "a valley": (lambda x: (x[0] * x[1] - 1) ** 2, (3.0, 1.0)),
    "a line": (lambda x: (x.sum() - 1) ** 2 + 1, (3.0, 1.0)),
    "of order four": (lambda x: x.pow(4).sum(), (1.0, 2.0)),
    DIP: (lambda x: ((-x / 100).exp() - (-x.square()).exp()).sum(), (-100.0,)),
    "log": (lambda x: (x - x.log()).sum(), (1e-3,)),
}


def test_no_minimum_is_a_runaway():
    wrong = {}
    for kind, (f, start) in MINIMA.items():
        for name in NAMES:
            found = run(name, f, start, iterations=300)
            if found.status is Status.DIVERGED and not (kind == DIP and float(found.x) > 1):  # past the dip
                wrong[kind, name] = found.message
    assert wrong == {}


def at(f, *x: float):
    return FunctionObjective(f).at(torch.tensor(x, dtype=torch.float64))


def zero(d: int = 1) -> Tensor:
    return torch.zeros(d, dtype=torch.float64)


def test_a_way_is_followed_to_its_end():
    """A fall of 1e200 more is not for ever, and neither is one that a rise follows anywhere."""
    assert falls_without_bound(at(lambda x: -x[0], 1.0), zero(), 0.0)
    assert not falls_without_bound(at(lambda x: -x[0].clamp(max=1e200), 1.0), zero(), 0.0)
    assert not falls_without_bound(at(lambda x: -x[0].abs().sqrt(), 1.0), zero(), 0.0)
    assert decreases_to_the_end(at(lambda x: -x[0].clamp(max=1e200), 1.0), zero())
    assert not decreases_to_the_end(at(lambda x: (x[0] - 1e100).abs(), 1.0), zero())
    assert not decreases_to_the_end(at(lambda x: x[0] * 0, 1.0), zero())
    assert not decreases_to_the_end(at(lambda x: -x[0], 0.0), zero())


def test_a_minimum_near_by_is_not_leapt_over():
    def dip(x):
        return (-x[0] / 100).exp() - 0.5 * (-(x[0] ** 2)).exp()

    assert decreases_to_the_end(at(dip, 30.0), zero() - 100) and not decreases_to_the_end(at(dip, -0.01), zero() - 100)


def test_converged_says_that_it_proves_no_minimum_of_what_is_not_convex(logistic):
    words = "proves no minimum where f is not convex"
    assert words in run("newton-cholesky", lambda x: x.pow(3).sum(), (1.0,)).message  # a degenerate saddle
    assert words not in minimize(SOLVERS["newton-cholesky"], logistic(l2=0.1)).message


def test_a_function_that_raises_far_away_ends_no_run_that_stayed_near():
    def f(x):
        if float(x.detach().abs().max()) > 100:
            raise ValueError("not defined so far away")
        return (-x).exp().sum()

    found = run("newton-cholesky", f, (0.0,))
    assert found.status is Status.CONVERGED and "proves no minimum" in found.message
