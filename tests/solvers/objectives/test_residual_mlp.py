"""The residual MLP: every product is the derivative it says it is, and Newton's methods descend from where it bends."""

from __future__ import annotations

from itertools import pairwise, product

import mpmath
import pytest
import torch
from torch.func import hessian, jacrev, jvp, vjp

from datasets.checks.residual_mlp import textbook
from solvers import SOLVERS, Status, Stop, minimize
from solvers.objectives import ResidualMLP
from solvers.objectives.residual_mlp import ACTIVATIONS
from tests.solvers.helpers import close, network

CASES = list(product(ACTIVATIONS, (0, 1, 2, 3)))


def outputs(net: ResidualMLP, x: torch.Tensor) -> torch.Tensor:
    return net.at(x).predictions


@pytest.mark.parametrize("activation, depth", CASES)
def test_all_derivatives_agree_with_autograd(activation, depth):
    net, x = network(activation, depth)
    v = torch.randn(net.size, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    point, loss = net.at(x), textbook(net)
    close(point.value, loss(x))
    close(point.gradient, jacrev(loss)(x))
    close(point.hessian, hessian(loss)(x))
    close(point.hessian, point.hessian.T, 1e-14)
    close(point.hvp(v), point.hessian @ v)
    close(point.hvp(v), vjp(jacrev(loss), x)[1](v)[0])
    close(point.jvp(v), jvp(lambda w: outputs(net, w), (x,), (v,))[1])


@pytest.mark.parametrize("activation, depth", CASES)
def test_the_gauss_newton_product_is_the_assembled_one_and_never_negative(activation, depth):
    net, x = network(activation, depth)
    point = net.at(x)
    J = jacrev(lambda w: outputs(net, w).flatten())(x)  # (n k, size)
    assembled = net.scale * J.T @ J
    found = point.gnvp(torch.eye(net.size, dtype=torch.float64))
    close(found, assembled)
    assert float(torch.linalg.eigvalsh(found)[0]) >= -1e-13 * float(assembled.norm())
    R = torch.randn(net.Y.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    close(point.vjp(R), J.T @ R.flatten())


def test_the_gauss_newton_matrix_is_the_hessian_where_the_residuals_vanish():
    net, x = network()
    fitted = ResidualMLP(net.X, outputs(net, x))
    eye = torch.eye(net.size, dtype=torch.float64)
    close(fitted.at(x).hvp(eye), fitted.at(x).gnvp(eye))


def test_the_gradient_is_the_published_one_with_samples_as_columns():
    net, x = network(k=2)
    W1, b1, W2, b2, W3, b3 = net.blocks(x).values()
    H0, Y, N = net.X.T, net.Y.T, len(net.X)
    A1 = W1.T @ H0 + b1[:, None]
    H1 = torch.tanh(A1) + H0
    A2 = W2.T @ H1 + b2[:, None]
    H2 = torch.tanh(A2) + H1
    R = 2 / N * (W3.T @ H2 + b3[:, None] - Y)
    E2 = W3 @ R
    Delta2 = E2 * (1 - torch.tanh(A2) ** 2)
    E1 = E2 + W2 @ Delta2
    Delta1 = E1 * (1 - torch.tanh(A1) ** 2)
    wanted = (H0 @ Delta1.T, Delta1.sum(1), H1 @ Delta2.T, Delta2.sum(1), H2 @ R.T, R.sum(1))
    for found, block in zip(net.blocks(net.at(x).gradient).values(), wanted, strict=True):
        close(found, block)


@pytest.mark.parametrize("name", ["hvp", "gnvp", "jvp"])
def test_a_stack_of_vectors_gives_the_stack_of_products(name):
    net, x = network()
    V = torch.randn(5, net.size, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    apply = getattr(net.at(x), name)
    close(apply(V), torch.stack([apply(v) for v in V]))


def test_the_hessian_does_not_depend_on_how_many_columns_are_computed_at_a_time(monkeypatch):
    net, x = network()
    whole = net.at(x).hessian
    monkeypatch.setattr("solvers.objectives.residual_mlp.CHUNK_BYTES", 7 * net.X.numel() * 8)
    close(net.at(x).hessian, whole, 1e-15)


def test_each_point_goes_forwards_once():
    net, x = network()
    passes = []
    value = net.g.value
    net.g = net.g._replace(value=lambda a: passes.append(1) or value(a))
    point = net.at(x)
    for _ in range(2):
        _ = point.value, point.gradient, point.hessian, point.hvp(x), point.gnvp(x), point.predictions
    assert len(passes) == net.depth


def test_blocks_are_views_by_name():
    net, x = network(d=3, k=2)
    assert {name: tuple(part.shape) for name, part in net.blocks(x).items()} == {
        "W1": (3, 3), "b1": (3,), "W2": (3, 3), "b2": (3,), "W3": (3, 2), "b3": (2,)
    }  # fmt: skip
    net.blocks(x)["b1"].fill_(7)
    assert torch.equal(x[net.slices["b1"]], torch.full((3,), 7.0, dtype=torch.float64))


def test_one_seed_is_one_start_for_every_dtype():
    net, _ = network()
    narrow = ResidualMLP(net.X.float(), net.Y)
    wide, rounded = (problem.random_start(torch.Generator().manual_seed(1)) for problem in (net, narrow))
    assert rounded.dtype == narrow.at(rounded).hessian.dtype == torch.float32
    assert torch.equal(wide.float(), rounded)


@pytest.mark.parametrize("a", [-700.0, -40.0, -20.5, -3.0, -1e-8, 0.0, 1e-3, 1.0, 19.5, 20.5, 36.0, 300.0])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus"])
def test_activations_lose_no_digits(activation, a):
    with mpmath.workdps(700):
        g = {
            "tanh": mpmath.tanh,
            "sigmoid": lambda t: 1 / (1 + mpmath.exp(-t)),
            "softplus": lambda t: mpmath.log1p(mpmath.exp(t)),
        }[activation]
        s, t = 1 / (1 + mpmath.exp(-mpmath.mpf(a))), mpmath.tanh(mpmath.mpf(a))
        exact = {
            "tanh": (t, 1 - t**2, -2 * t * (1 - t**2)),
            "sigmoid": (s, s * (1 - s), s * (1 - s) * (1 - 2 * s)),
            "softplus": (g(mpmath.mpf(a)), s, s * (1 - s)),
        }[activation]
        for function, wanted in zip(ACTIVATIONS[activation], exact, strict=True):
            found = float(function(torch.tensor(a, dtype=torch.float64)))
            assert abs(found - wanted) <= 8 * 2.3e-16 * abs(wanted) + 2.3e-308


# --- as a problem


SMALL = dict(n=30, d=3, k=1)


@pytest.mark.parametrize("activation", ["tanh", "softplus"])
@pytest.mark.parametrize("name", ["newton-cholesky", "newton-damped", "newton-levenberg"])
def test_damped_newton_methods_descend_from_where_the_hessian_is_indefinite(name, activation):
    net, x = network(activation, **SMALL)
    eigenvalues = torch.linalg.eigvalsh(net.at(x).hessian)
    assert float(eigenvalues[0]) < -1e-3 < 1e-3 < float(eigenvalues[-1])
    result = minimize(SOLVERS[name], net, x, Stop(iterations=40))
    values = [float(net.at(w).value) for w in result.trace.iterates]
    assert result.status in (Status.CONVERGED, Status.ITERATION_LIMIT, Status.STALLED)
    assert all(after <= before for before, after in pairwise(values))
    assert result.value < 0.7 * values[0]


@pytest.mark.parametrize("name", SOLVERS)
def test_what_is_called_converged_is_a_minimum(name):
    net, x = network(depth=1, **SMALL)
    result = minimize(SOLVERS[name], net, x, Stop(iterations=150))
    assert torch.isfinite(result.x).all()
    if result.status == Status.CONVERGED:
        point = net.at(result.x)
        assert float(torch.linalg.eigvalsh(point.hessian)[0]) > -1e-9
        assert float(point.gradient.norm()) < 1e-3


def test_one_newton_step_solves_the_net_without_hidden_layers():
    net, x = network(depth=0, n=20)
    point = net.at(x)
    step = torch.linalg.solve(point.hessian, point.gradient)
    ones = torch.cat([net.X, net.X.new_ones(len(net.X), 1)], dim=1)
    exact = torch.linalg.lstsq(ones, net.Y).solution
    close(torch.cat([part.view(-1, 2) for part in net.blocks(x - step).values()]), exact)


def test_accuracy_counts_rows_whose_class_is_found():
    X = torch.eye(3, dtype=torch.float64)
    weights = torch.tensor([[1.0], [0.2], [0.9]], dtype=torch.float64)
    net = ResidualMLP(X, torch.tensor([1, 0, 0]), depth=0)
    assert net.accuracy(torch.cat([weights.flatten(), torch.zeros(1).double()])) == pytest.approx(2 / 3)
    net = ResidualMLP(X, X, depth=0)
    assert net.accuracy(torch.cat([X.flatten(), torch.zeros(3).double()])) == 1


def test_there_is_no_default_start():
    with pytest.raises(ValueError, match="pass x0"):
        minimize(SOLVERS["newton-cholesky"], network()[0])


X, Y = torch.ones(4, 2), torch.ones(4, 1)
BAD_INPUT = {
    "a list": (lambda: ResidualMLP([[1.0]], Y), TypeError, "as_tensor"),
    "no rows": (lambda: ResidualMLP(X[:0], Y[:0]), ValueError, "rows"),
    "one dimension": (lambda: ResidualMLP(X[:, 0], Y), ValueError, "shape"),
    "another number of rows": (lambda: ResidualMLP(X, Y[:3]), ValueError, "match X"),
    "NaN": (lambda: ResidualMLP(X, Y * torch.nan), ValueError, "4 NaN"),
    "a negative depth": (lambda: ResidualMLP(X, Y, depth=-1), ValueError, "depth"),
    "a broken depth": (lambda: ResidualMLP(X, Y, depth=1.5), TypeError, "depth"),
    "an unknown activation": (lambda: ResidualMLP(X, Y, activation="tan"), ValueError, "did you mean tanh"),
    "a short x": (lambda: ResidualMLP(X, Y).at(torch.zeros(3)), ValueError, r"shape \(15,\)"),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_one_sentence_with_the_remedy(name):
    make, kind, words = BAD_INPUT[name]
    with pytest.raises(kind, match=words):
        make()
