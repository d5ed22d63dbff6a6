"""A function of a tree of tensors: the same run as of the flat vector, and parameters in the shape of the example."""

from __future__ import annotations

from collections import namedtuple

import pytest
import torch

from benchmarks.audit.simulated_cuda import SimulatedCuda
from solvers import SOLVERS, Status, Stop, minimize
from solvers.objectives import FunctionObjective, LogisticRegression
from tests.solvers.helpers import close, normal

A, B = normal(3, 2), normal(4, seed=1)
Pair = namedtuple("Pair", "left right")


def flat(x):
    return ((x[:6].view(3, 2) - A).square().sum() + ((x[6:] - B) * (1 + x[0] ** 2)).square().sum()) + (x**4).sum()


def of(W, b):
    return flat(torch.cat([W.flatten(), b.flatten()]))


ONE, TWO = torch.ones(3, 2, dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64)
TREES = {
    "dict": ({"W": ONE, "b": TWO}, lambda p: of(p["W"], p["b"])),
    "tuple": ((ONE, TWO), lambda p: of(*p)),
    "list": ([ONE, TWO], lambda p: of(*p)),
    "namedtuple": (Pair(ONE, TWO), lambda p: of(p.left, p.right)),
    "nested": ({"layers": [(ONE[:, 0].clone(), ONE[:, 1]), {"b": TWO}]}, lambda p: of(
        torch.stack(p["layers"][0], dim=1), p["layers"][1]["b"])),
}  # fmt: skip


def same_shape(found, wanted) -> bool:
    if isinstance(wanted, torch.Tensor):
        return found.shape == wanted.shape and found.dtype == wanted.dtype
    if isinstance(wanted, dict):
        return list(found) == list(wanted) and all(same_shape(found[name], part) for name, part in wanted.items())
    return type(found) is type(wanted) and all(map(same_shape, found, wanted))


@pytest.mark.parametrize("name", TREES)
def test_parameters_have_the_shape_of_the_example_and_lie_at_the_minimum(name):
    example, f = TREES[name]
    result = minimize(SOLVERS["newton-cholesky"], FunctionObjective(f, example))
    wanted = minimize(SOLVERS["newton-cholesky"], FunctionObjective(flat), torch.cat([ONE.flatten(), TWO.flatten()]))
    assert result.status is Status.CONVERGED
    assert same_shape(result.parameters, example)
    close(f(result.parameters), torch.tensor(wanted.value, dtype=torch.float64))


def test_the_example_is_the_default_start_and_is_left_alone():
    example = {"W": ONE.clone(), "b": TWO.clone()}
    objective = FunctionObjective(TREES["dict"][1], example)
    result = minimize(SOLVERS["lbfgs"], objective, stop=Stop(iterations=0))
    assert torch.equal(result.x, torch.cat([ONE.flatten(), TWO.flatten()]))
    minimize(SOLVERS["lbfgs"], objective)
    assert torch.equal(example["W"], ONE) and torch.equal(example["b"], TWO)
    x0 = normal(10, seed=2)
    assert torch.equal(minimize(SOLVERS["lbfgs"], objective, x0, Stop(iterations=0)).parameters["b"], x0[6:].view(2, 2))


def test_derivatives_are_those_of_the_flat_function():
    x, v = normal(10, seed=2), normal(10, seed=3)
    found, wanted = FunctionObjective(TREES["nested"][1], TREES["nested"][0]).at(x), FunctionObjective(flat).at(x)
    order = torch.tensor([0, 2, 4, 1, 3, 5, 6, 7, 8, 9])  # the two columns of W one after the other
    assert not torch.equal(found.value, wanted.value)
    wanted = FunctionObjective(lambda x: flat(x[order.argsort()])).at(x)
    close(found.gradient, wanted.gradient)
    close(found.hessian, wanted.hessian)
    close(found.hvp(v), wanted.hvp(v))


def test_one_tensor_of_any_shape_is_an_example():
    result = minimize(SOLVERS["newton"], FunctionObjective(lambda W: (W - A).square().sum(), torch.zeros_like(A)))
    close(result.parameters, A, 1e-5)  # Newton's own damping is 1e-6
    number = minimize(SOLVERS["newton-cg"], FunctionObjective(lambda t: (t - 3) ** 2, torch.tensor(0.0)))
    assert number.parameters.shape == () and float(number.parameters) == pytest.approx(3)


def test_without_an_example_parameters_are_x():
    result = minimize(SOLVERS["newton"], FunctionObjective(flat), torch.ones(10))
    assert result.parameters is result.x
    linear = minimize(SOLVERS["newton"], LogisticRegression(A, torch.tensor([0, 1, 1]), l2=1.0))
    assert torch.equal(linear.parameters, linear.x)


def total(p):
    return sum(part.sum() for part in p.values())


@pytest.mark.parametrize(
    "example, error, words",
    [
        ({}, ValueError, ["no tensors"]),
        ({"a": ONE, "b": 1.0}, TypeError, ["example['b']", "float", "torch.as_tensor"]),
        ({"a": ONE, "b": None}, TypeError, ["example['b']"]),
        ({"a": ONE, "b": TWO.float()}, ValueError, ["example['b']", "float32", ".to("]),
        ({"a": ONE, "b": TWO.to("meta")}, TypeError, ["example['b']", "meta"]),
        ({"a": torch.zeros(0)}, ValueError, ["no entries"]),
        ({"a": ONE * 1j}, TypeError, ["complex"]),
    ],
    ids=str,
)
def test_an_example_that_is_no_tree_of_tensors_is_said(example, error, words):
    with pytest.raises(error) as found:
        FunctionObjective(total, example)
    assert all(word in str(found.value) for word in words)


def test_an_example_on_two_devices_is_said():
    with SimulatedCuda() as device, pytest.raises(ValueError, match=r"example\['b'\] .* on cuda:0 .*\.to\("):
        FunctionObjective(total, {"a": ONE, "b": TWO.to(device.name)})


def test_x_of_another_size_or_dtype_is_said():
    objective = FunctionObjective(*reversed(TREES["dict"]))
    with pytest.raises(ValueError, match="10"):
        minimize(SOLVERS["newton"], objective, torch.ones(3))
    with pytest.raises(TypeError, match="float64"):
        objective.at(torch.ones(10))
    assert minimize(SOLVERS["newton"], objective, torch.ones(10)).x.dtype == torch.float64
