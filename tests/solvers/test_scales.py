"""Losses, variables and data of any scale: every run ends with a status, and no number of Python's raises."""

from __future__ import annotations

import itertools
import math
import random
import warnings
from collections.abc import Callable
from dataclasses import fields, replace

import pytest
import torch

from solvers import SOLVERS, Status, Stop, minimize
from solvers.objectives import FunctionObjective, LeastSquares, LogisticRegression, ResidualMLP, SoftmaxRegression
from solvers.objectives.base import Objective

G = torch.Generator().manual_seed(0)
X = torch.randn(12, 3, generator=G, dtype=torch.float64)
Y = (X.sum(1) + torch.randn(12, generator=G, dtype=torch.float64) > 0).double()
CLASSES = torch.arange(12) % 3
TARGETS = torch.randn(12, 2, generator=G, dtype=torch.float64)
DTYPES = (torch.float64, torch.float32)
DIMENSIONS = 3  # scales of the loss, of the variables and of the data
PLAIN = ("residuals: Rosenbrock", "logistic, dense, intercept True, penalty one")

FUNCTIONS = {  # f, and where it starts
    "quadratic": (lambda x: (x - 1).square().sum(), (2.0, -1.0)),
    "two wells": (lambda x: (x.square() - 2).square().sum(), (1.0, 0.1)),
    "two wells for one": (lambda x: (x.square() - 2).square().sum(), (1.0,)),
    "cubic and quartic": (lambda x: (x**3 + x**4).sum(), (1.0,)),
    "logarithm": (lambda x: -x.log().sum(), (1.0,)),
    "line": (lambda x: -x.sum(), (1.0, 1.0)),
    "exponential": (lambda x: x.exp().sum(), (1.0, -1.0)),
    "falling to 0": (lambda x: (-x).exp().sum(), (1.0, 2.0)),
    "Rosenbrock": (lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2, (-1.2, 1.0)),
    "saddle": (lambda x: x[0] * x[1] + 1e-300 * x[0] ** 2, (1e-9, 0.0)),
    "root": (lambda x: (x * x + 1).sqrt().sum(), (1.0, 2.0)),
    "ill scaled": (lambda x: 1e150 * x[0] ** 2 + 1e-150 * x[1] ** 2 + x[0] * x[1], (1.0, 2.0)),
}
RESIDUALS = {
    "linear": (lambda x: torch.cat([x - 1, x.sum().unsqueeze(0)]), (2.0, -1.0)),
    "Rosenbrock": (lambda x: torch.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]]), (-1.2, 1.0)),
    "exponential": (
        lambda x: x[0] * torch.exp(x[1] * torch.arange(4.0)) - torch.tensor([1.0, 2.0, 2.5, 4.0]),
        (1, 0.1),
    ),
}


def linear(model, y, layout: str, intercept: bool, penalty: str):
    """A maker of a linear model and a start, from the dtype and the three scales."""

    def make(dtype, loss, variables, data):
        scaled = (X * data).to(dtype)
        l2 = {"none": 0.0, "of the loss": loss, "one": 1.0}[penalty]
        f = model(scaled if layout == "dense" else scaled.to_sparse_csr(), y, l2=l2, fit_intercept=intercept)
        return f, torch.full((f.size,), variables, dtype=torch.float64)

    return make


def function(kind, f, start):
    return lambda dtype, loss, variables, data: (
        kind(lambda x: loss * f(data * x)),
        (torch.tensor(start, dtype=torch.float64) * variables).to(dtype),
    )


def network(depth: int):
    """The same of a network. The start is in float64, whatever the dtype of the data."""

    def make(dtype, loss, variables, data):
        f = ResidualMLP((X * data).to(dtype), (TARGETS * loss).to(dtype), depth=depth)
        return f, f.random_start(torch.Generator().manual_seed(1)).double() * variables

    return make


Maker = Callable[[torch.dtype, float, float, float], tuple[Objective, torch.Tensor]]
OBJECTIVES: dict[str, Maker] = {
    **{f"function: {name}": function(FunctionObjective, *given) for name, given in FUNCTIONS.items()},
    **{f"residuals: {name}": function(LeastSquares, *given) for name, given in RESIDUALS.items()},
    **{
        f"{name}, {layout}, intercept {intercept}, penalty {penalty}": linear(model, y, layout, intercept, penalty)
        for name, model, y in (("logistic", LogisticRegression, Y), ("softmax", SoftmaxRegression, CLASSES))
        for layout, intercept, penalty in itertools.product(
            ("dense", "CSR"), (False, True), ("none", "of the loss", "one")
        )
    },
    **{f"network of {depth}": network(depth) for depth in (0, 1)},
}


def tried(solver: str, what: str, dtype: torch.dtype, scales: tuple[float, float, float], iterations: int) -> str:
    """What is wrong with a run, in words; empty where it ends as it should, or its data have no place in the dtype."""
    try:
        objective, x0 = OBJECTIVES[what](dtype, *scales)
        if not bool(x0.to(dtype).isfinite().all()):
            return ""
    except ValueError as error:  # X, Y, l2 overflow in this dtype
        return "" if "finite" in str(error) else repr(error)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = minimize(SOLVERS[solver], objective, x0, Stop(iterations=iterations))
    except Exception as error:
        return repr(error)
    if found.status not in set(Status) or "\n" in found.message:
        return f"{found.status}: {found.message}"
    if not (bool(found.x.isfinite().all()) and (math.isfinite(found.value) or found.message.startswith("f(x0)"))):
        return f"{found.status}: f = {found.value} at {found.x.tolist()}"
    return ""


def failures(runs) -> dict:
    return {run: words for run in runs if (words := tried(*run))}


def drawn(count: int, seed: int, iterations: int):
    """Runs with random scales from 1e-300 to 1e300, most of them 1 in one or two of the three dimensions."""
    rng = random.Random(seed)
    for _ in range(count):
        scales = [10.0 ** rng.randint(-300, 300) if rng.random() < 0.6 else 1.0 for _ in range(DIMENSIONS)]
        # As many draws for each family: there are two dozen linear models.
        family = rng.choice(["function", "residuals", "logistic", "softmax", "network"])
        what = rng.choice([name for name in OBJECTIVES if name.startswith(family)])
        yield rng.choice(list(SOLVERS)), what, rng.choice(DTYPES), tuple(scales), iterations


def test_what_python_and_torch_refused_at_some_scale_is_a_status():
    f, double, single = "function: ", *DTYPES
    runs = [
        # 0 / 0 where the square of a gradient underflows to 0
        ("newton-cg", f + "line", double, (1e-155, 1.0, 1.0), 100),
        ("newton-cg", f + "line", double, (1.0, 1.0, 1e-155), 100),
        ("newton-cg", f + "saddle", double, (1e-150, 1.0, 1.0), 100),
        *(("newton-cg", name, double, (1.0, 1.0, 1e-155), 100) for name in OBJECTIVES if "penalty none" in name),
        # 0 / 0 where the square of a radius is
        ("trust-region-dogleg", f + "two wells for one", double, (1.0, 1e-200, 1.0), 200),
        ("trust-region-dogleg", f + "two wells for one", double, (1e-100, 1e-200, 1.0), 200),
        ("trust-region-dogleg", f + "two wells for one", double, (1.0, 1e-300, 1.0), 200),
        # y^T y = 0
        ("bfgs", f + "cubic and quartic", double, (1.0, 1e-100, 1.0), 100),
        ("bfgs", f + "cubic and quartic", double, (1e-100, 1e-80, 1.0), 100),
        # a factor that float32 does not have
        ("trust-region-steihaug", f + "logarithm", single, (1.0, 1.0, 1.0), 1000),
        ("lbfgs", f + "line", single, (1.0, 1.0, 1.0), 1000),
        ("bfgs", f + "line", single, (1.0, 1.0, 1.0), 1000),
        ("bfgs", f + "line", single, (1e-12, 1e-12, 1.0), 1000),
    ]
    assert not failures(runs)


def test_runs_at_random_scales_end_with_a_status():
    assert not failures(drawn(400, seed=0, iterations=10))


@pytest.mark.slow
def test_many_runs_at_random_scales_end_with_a_status():
    assert not failures(drawn(1500, seed=1, iterations=100))


@pytest.mark.slow
def test_every_solver_ends_at_every_scale_of_every_kind_of_objective():
    exponents = (-300, -155, -38, 0, 38, 155, 300)
    kinds = [
        "function: two wells",
        "function: exponential",
        "residuals: exponential",
        "logistic, dense, intercept False, penalty of the loss",
        "logistic, CSR, intercept True, penalty none",
        "softmax, dense, intercept True, penalty one",
        "network of 1",
    ]
    assert not failures(
        (solver, what, dtype, scales, 5)
        for solver, what, dtype in itertools.product(SOLVERS, kinds, DTYPES)
        for scales in {tuple(10.0**e if k == j else 1.0 for k in range(3)) for j in range(3) for e in exponents}
    )


def test_a_factor_beyond_float32_moves_a_point_as_far_as_it_should():
    step, far = torch.tensor([1e-30, -2e-30, 0.0]), torch.tensor([1e9, -2e9, 0.0])
    x = torch.zeros(3)
    for objective in (LogisticRegression(X.float(), Y, l2=0.1), FunctionObjective(lambda x: x.square().sum())):
        ray = objective.at(x).along(step)
        reached = ray.at(1e39)
        assert torch.allclose(reached.x, far)
        assert torch.allclose(reached.gradient, objective.at(reached.x).gradient, rtol=1e-3)
        for factor in (1e300, math.inf, -math.inf):
            assert not bool(ray.at(factor).x[:2].isfinite().any())


def test_the_largest_penalty_does_not_pass_for_convergence():
    # 2 mu overflows, and (norm of the gradient)^2 / (2 mu) was 0.
    objective = LogisticRegression(X, Y, l2=1.7e308)
    for name in ("newton-cholesky", "lbfgs", "gradient-descent-armijo"):
        x0 = torch.full((3,), 1e-155, dtype=torch.float64)  # f = log 2 + 0.03
        found = minimize(SOLVERS[name], objective, x0, Stop(iterations=0))
        assert found.status != Status.CONVERGED


def test_an_infinite_tolerance_does_not_make_an_unknown_gap_pass():
    # gap_tolerance times f overflows, and curvatures of 1e-400 are no numbers: there is no Newton decrement.
    tiny = LogisticRegression(X * 1e-200, Y, reduction="sum")
    loose, wrong = Stop(gap_tolerance=1e308, iterations=5), {}
    for name, solver in SOLVERS.items():
        try:
            found = minimize(solver, tiny, stop=loose)
            if found.status == Status.CONVERGED:
                wrong[name] = found.message
        except Exception as error:
            wrong[name] = error
    assert not wrong, wrong


def test_settings_near_the_ends_of_the_range_do_not_raise():
    wrong = {}
    for name, solver in SOLVERS.items():
        settings = [field.name for field in fields(solver) if isinstance(getattr(solver, field.name), float)]
        for setting, value in itertools.product(settings, (1e-300, 1e40, 1e300)):
            try:
                extreme = replace(solver, **{setting: value})
            except ValueError:  # below 1, or above it
                continue
            for what, dtype in itertools.product(PLAIN, DTYPES):
                objective, x0 = OBJECTIVES[what](dtype, 1.0, 1.0, 1.0)
                try:
                    found = minimize(extreme, objective, x0, Stop(iterations=5))
                    if not bool(found.x.isfinite().all()):
                        wrong[name, setting, value, what, dtype] = found.x
                except Exception as error:
                    wrong[name, setting, value, what, dtype] = error
    assert not wrong, wrong
