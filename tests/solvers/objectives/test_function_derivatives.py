"""Derivatives of a user's function: right where torch.func is wrong, one evaluation of f for all, and clear errors."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from solvers import SOLVERS, Status, minimize
from solvers.objectives import FunctionObjective, LeastSquares
from solvers.objectives import autograd as module
from tests.fakes import GENERAL

EYE = torch.eye(3, dtype=torch.float64)


def volume(x: Tensor) -> Tensor:
    """(det X - 2)^2 + ||X - I||^2: at X = I all singular values are equal."""
    X = x.view(3, 3)
    return (torch.linalg.det(X) - 2) ** 2 + (X - EYE).square().sum()


def differences(objective: FunctionObjective, x: Tensor, h: float = 1e-5) -> Tensor:
    """The Hessian by central differences of gradients, (d, d)."""
    ends = [(objective.at(x + h * e).gradient, objective.at(x - h * e).gradient) for e in torch.eye(len(x)).to(x)]
    return torch.stack([(up - down) / (2 * h) for up, down in ends])


@pytest.mark.parametrize("distance", [0.0, 1e-12, 1e-9, 1e-6, 1e-3])
def test_second_derivatives_of_a_determinant_are_right_at_close_singular_values(distance):
    """torch.func gives NaN at equal ones and wrong numbers near them (pytorch #192521)."""
    noise = torch.randn(9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x, objective = EYE.flatten() + distance * noise, FunctionObjective(volume)
    point = objective.at(x)
    assert torch.allclose(point.hessian, differences(objective, x), rtol=0, atol=1e-8)
    assert torch.allclose(point.hvp(noise), point.hessian @ noise, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in GENERAL if SOLVERS[name].needs != "gradient"])
def test_every_general_solver_with_curvature_minimises_over_a_determinant(name):
    result = minimize(SOLVERS[name], FunctionObjective(volume), EYE.flatten())
    if name == "newton-diagonal":  # takes whole steps, and this diagonal is no bound
        assert result.status is not Status.CONVERGED
    else:
        assert result.status is Status.CONVERGED and result.value == pytest.approx(0.177905712481, abs=1e-9)


@dataclass
class Counted:
    """A function that counts its evaluations."""

    calls: list[int] = field(default_factory=list)

    def __call__(self, x: Tensor) -> Tensor:
        self.calls.append(1)
        return (x.tanh() ** 2).sum() + x.prod()


def test_value_gradient_and_products_of_a_point_evaluate_the_function_once():
    f = Counted()
    point = FunctionObjective(f).at(torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64))
    products = [point.hvp(torch.ones(3, dtype=torch.float64)) for _ in range(5)]
    assert float(point.value) and point.gradient.shape == (3,) and len(products) == 5
    assert len(f.calls) == 1


@pytest.mark.parametrize("least_squares", [False, True])
def test_rows_of_a_hessian_in_chunks_are_those_of_one_batch(least_squares, monkeypatch):
    x = torch.linspace(-1, 1, 7, dtype=torch.float64)
    A = torch.randn(9, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def residuals(x):
        return torch.sin(A @ x) + x.prod()

    def make():
        if least_squares:
            return LeastSquares(residuals).at(x)
        return FunctionObjective(lambda x: residuals(x).square().sum()).at(x)

    whole, parts, sizes = make().hessian, [], []
    batched = module.FunctionPoint._batched
    monkeypatch.setattr(
        module.FunctionPoint, "_batched", lambda point, out, rows: sizes.append(rows) or batched(point, out, rows)
    )
    for limit in (1, 1200, 1 << 20):
        monkeypatch.setattr(module, "BATCH_BYTES", limit)
        parts.append(make().hessian)
    assert sizes[0] == 1 < sizes[-1]
    for part in parts:
        assert torch.allclose(part, whole, rtol=1e-14, atol=1e-14)


class Cube(torch.autograd.Function):
    """x^3, whose second backward pass reads a number: it knows no batches."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, slope):
        (x,) = ctx.saved_tensors
        return slope * Square.apply(x)


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 3 * x**2

    @staticmethod
    def backward(ctx, slope):
        (x,) = ctx.saved_tensors
        return slope * 6 * x if slope.abs().sum().item() else torch.zeros_like(x)


def test_a_function_whose_backward_pass_knows_no_batches_is_differentiated_row_by_row():
    x = torch.linspace(-1, 2, 6, dtype=torch.float64)
    assert torch.allclose(FunctionObjective(lambda x: Cube.apply(x).sum()).at(x).hessian, torch.diag(6 * x))


CENTRE = torch.tensor([1.0, 2.0], dtype=torch.float64)
WEIGHT = torch.ones(2, dtype=torch.float64, requires_grad=True)


def without_gradient(x: Tensor) -> Tensor:
    with torch.no_grad():
        return (x - CENTRE).square().sum()


CUT = {
    "rebuilt": lambda x: ((torch.tensor([x[0].item(), x[1].item()]).double() - CENTRE) ** 2).sum(),
    "detached": lambda x: (x.detach() - CENTRE).square().sum(),
    "data": lambda x: (x.data - CENTRE).square().sum(),
    "no_grad": without_gradient,
    "another variable": lambda x: (x.detach() * WEIGHT - CENTRE).square().sum(),
    "a constant": lambda x: torch.ones((), dtype=torch.float64),
}


@pytest.mark.parametrize("kind", CUT)
@pytest.mark.parametrize("make", [FunctionObjective, lambda f: LeastSquares(lambda x: f(x).reshape(1))])
def test_a_value_that_does_not_depend_on_x_for_autograd_is_a_type_error(kind, make):
    """It was `converged` at once, wherever the run began."""
    with pytest.raises(TypeError, match="does not depend on x through torch operations"):
        minimize(SOLVERS["newton-cholesky"], make(CUT[kind]), torch.full((2,), 5.0, dtype=torch.float64))


def test_a_function_may_write_to_its_argument():
    def f(x):
        x.sub_(CENTRE)
        return x.square().sum()

    start = torch.full((2,), 5.0, dtype=torch.float64)
    result = minimize(SOLVERS["newton-cg"], FunctionObjective(f), start)
    assert torch.allclose(result.x, CENTRE) and torch.equal(start, torch.full_like(start, 5.0))


def test_a_run_inside_inference_mode_has_derivatives():
    with torch.inference_mode():
        result = minimize(
            SOLVERS["newton-cg"], FunctionObjective(lambda x: (x - CENTRE).pow(4).sum()), torch.zeros(2).double()
        )
    assert result.status is Status.CONVERGED


@pytest.mark.slow
def test_a_small_problem_imports_neither_the_compiler_nor_sympy():
    code = """
import sys, torch
from solvers import SOLVERS, minimize
from solvers.objectives import FunctionObjective
f = FunctionObjective(lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2)
for name in ("newton-cg", "newton-levenberg", "lbfgs"):
    assert minimize(SOLVERS[name], f, torch.tensor([-1.2, 1.0])).status == "converged"
print([name for name in ("torch._dynamo", "sympy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
