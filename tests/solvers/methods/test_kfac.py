"""K-FAC: its factors by autograd, its blocks beside the assembled Gauss-Newton matrix, and what its steps minimise."""

from __future__ import annotations

import math
from itertools import pairwise, product

import pytest
import torch
from torch.func import hessian, jacrev

from solvers import KFAC, SOLVERS, Status, Stop, minimize
from solvers.approximate.kfac import minimiser
from solvers.linalg.kronecker import KroneckerFactors, kronecker_inverse
from solvers.objectives import FunctionObjective, LeastSquares, LogisticRegression, ResidualMLP
from tests.solvers.helpers import close, network, softmax

ACTIVATIONS = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": torch.nn.functional.softplus,
    "relu": torch.relu,
}
CASES = list(product(ACTIVATIONS, (0, 1, 2)))


def spans(net: ResidualMLP) -> list[slice]:
    """Where each layer lies in x, its weights and its biases."""
    places = list(net.slices.values())
    return [slice(W.start, b.stop) for W, b in zip(places[::2], places[1::2], strict=True)]


def forward(net: ResidualMLP, x, row, moves):
    """The inputs of every layer, a 1 appended, and the outputs for one row, each pre-activation moved by `moves`."""
    *hidden, (W, b) = [(x[s].view(len(row) + 1, -1)[:-1], x[s].view(len(row) + 1, -1)[-1]) for s in spans(net)]
    inputs, h, one = [], row, row.new_ones(1)
    for (V, c), move in zip(hidden, moves, strict=False):
        inputs.append(torch.cat([h, one]))
        h = ACTIVATIONS[net.activation](h @ V + c + move) + h
    return [*inputs, torch.cat([h, one])], h @ W + b + moves[-1]


def by_autograd(net: ResidualMLP, x) -> list[list[tuple[torch.Tensor, torch.Tensor]]]:
    """Layer by layer, row by row: h h^T, and J^T C J with C the Hessian of the row's loss in its outputs."""
    still = [x.new_zeros(s) for s in [net.X.shape[1]] * net.depth + [net.Y.shape[1]]]
    found = [[] for _ in still]
    for row, y in zip(net.X, net.Y, strict=True):
        inputs, yhat = forward(net, x, row, still)
        C = hessian(lambda out, y=y: (y - out).square().sum() / len(net.X))(yhat)
        jacobians = jacrev(lambda moves, row=row: forward(net, x, row, moves)[1])(still)
        for rows, h, J in zip(found, inputs, jacobians, strict=True):
            rows.append((torch.outer(h, h), J.T @ C @ J))
    return found


def assembled(net: ResidualMLP, x) -> torch.Tensor:
    """J^T C J over all rows, (size, size), with J of the outputs and C of the loss in the outputs, by autograd."""
    still = [0.0] * (net.depth + 1)

    def outputs(w):
        return torch.stack([forward(net, w, row, still)[1] for row in net.X]).flatten()

    C = hessian(lambda out: (net.Y.flatten() - out).square().sum() / len(net.X))(outputs(x))
    J = jacrev(outputs)(x)
    return J.T @ C @ J


# --- the factors


@pytest.mark.parametrize("activation, depth", CASES)
def test_the_factors_of_a_network_are_those_of_autograd(activation, depth):
    net, x = network(activation, depth)
    factors = net.at(x).kronecker_factors
    assert factors.penalty == 0 and len(factors.layers) == depth + 1
    for (left, right), rows in zip(factors.layers, by_autograd(net, x), strict=True):
        close(left, sum(inputs for inputs, _ in rows) / len(rows))
        close(right, sum(outputs for _, outputs in rows))


@pytest.mark.parametrize("activation, depth", CASES)
def test_with_one_row_the_blocks_are_those_of_the_assembled_gauss_newton_matrix(activation, depth):
    net, x = network(activation, depth, n=1, seed=2)
    matrix = assembled(net, x)
    close(net.at(x).gauss_newton, matrix)
    for (left, right), s in zip(net.at(x).kronecker_factors.layers, spans(net), strict=True):
        close(torch.kron(left, right), matrix[s, s])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_with_many_rows_a_block_is_as_far_from_the_assembled_one_as_its_two_sides_vary_together(activation):
    """sum_i a_i (x) c_i - mean a (x) sum c = 1/2n sum_ij (a_i - a_j) (x) (c_i - c_j), over all pairs of rows.

    The last layer's c is the same for every row: its block is exact.
    """
    net, x = network(activation, n=25)
    matrix, layers = assembled(net, x), net.at(x).kronecker_factors.layers
    distances = []
    for (left, right), s, rows in zip(layers, spans(net), by_autograd(net, x), strict=True):
        block = matrix[s, s]
        pairs = sum(torch.kron(a - b, c - e) for (a, c), (b, e) in product(rows, rows)) / (2 * len(rows))
        close(torch.kron(left, right) + pairs, block)
        distances.append(float(pairs.norm() / block.norm()))
    assert all(0.05 < distance < 0.9 for distance in distances[:-1]) and distances[-1] == 0


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_factor_of_the_classes_is_the_expectation_over_them(reduction):
    f = softmax(reduction=reduction)
    w = torch.linspace(-1, 1, f.size, dtype=torch.float64)
    P = torch.softmax(f.logits(w), dim=1)
    gradients = P.unsqueeze(1) - torch.eye(3, dtype=torch.float64)  # (n, K, K): row i, if the label were k
    expected = torch.einsum("ik,ikp,ikq->pq", P, gradients, gradients) * f.scale
    close(f.at(w).kronecker_factors.layers[0][0], expected)


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("kind", ["logistic", "softmax"])
def test_the_block_of_a_linear_model_is_its_hessian_where_all_rows_have_the_same_curvature(kind, intercept, csr):
    f = softmax(fit_intercept=intercept)
    if kind == "logistic":
        f = LogisticRegression(f.X, (f.y == 0).double(), fit_intercept=intercept)
    if csr:
        f = type(f)(f.X.to_sparse_csr(), f.y, fit_intercept=intercept)
    [(left, right)] = f.at(f.zeros()).kronecker_factors.layers  # there every class is as likely
    close(torch.kron(left, right), f.at(f.zeros()).hessian)
    away = f.at(torch.linspace(-2, 2, f.size, dtype=torch.float64))
    [(left, right)] = away.kronecker_factors.layers
    assert float((torch.kron(left, right) - away.hessian).norm()) > 0.02 * float(away.hessian.norm())
    close(away.gnvp(away.x), away.hessian @ away.x)


@pytest.mark.parametrize("activation, depth", CASES)
def test_in_single_precision_the_factors_are_the_same_to_its_digits(activation, depth):
    net, x = network(activation, depth)
    narrow = ResidualMLP(net.X.float(), net.Y, depth, activation).at(x.float()).kronecker_factors
    for single, double in zip(narrow.layers, net.at(x).kronecker_factors.layers, strict=True):
        for found, wanted in zip(single, double, strict=True):
            assert found.dtype == torch.float32
            close(found.double(), wanted, 1e-6)


# --- their damped inverse


def dense(factors: KroneckerFactors, damping: float) -> torch.Tensor:
    """The damped blocks, assembled."""
    gamma, blocks = (damping + factors.penalty) ** 0.5, []
    for left, right in factors.layers:
        p, q = len(left), len(right)
        traces = float(left.trace()) / p, float(right.trace()) / q
        pi = (traces[0] / traces[1]) ** 0.5 if min(traces) > 0 else 1.0
        eyes = torch.eye(p, dtype=left.dtype), torch.eye(q, dtype=left.dtype)
        blocks.append(torch.kron(left + pi * gamma * eyes[0], right + gamma / pi * eyes[1]))
    return torch.block_diag(*blocks)


@pytest.mark.parametrize("penalty", [0.0, 0.3])
@pytest.mark.parametrize("damping", [1e-3, 2.0])
def test_the_inverse_is_that_of_the_damped_products(damping, penalty):
    net, x = network(k=3)
    factors = net.at(x).kronecker_factors._replace(penalty=penalty)
    b = torch.randn(net.size, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    found = kronecker_inverse(factors, damping).solve(b)
    close(found, torch.linalg.solve(dense(factors, damping), b), 1e-11)


def test_the_two_sides_of_a_block_may_have_any_scales():
    """pi balances them: what is measured in other units, and scaled back, is the same block."""
    net, x = network()
    factors, b = net.at(x).kronecker_factors, x
    scaled = factors._replace(layers=[(1e6 * left, 1e-6 * right) for left, right in factors.layers])
    close(kronecker_inverse(scaled, 0.1).solve(b), kronecker_inverse(factors, 0.1).solve(b), 1e-11)


def test_a_side_that_is_zero_leaves_the_damping_and_one_that_is_negative_has_no_inverse():
    zero, one = torch.zeros(2, 2, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    b = torch.arange(6.0, dtype=torch.float64)
    factors = KroneckerFactors([(zero, one)])
    close(kronecker_inverse(factors, 0.25).solve(b), torch.linalg.solve(dense(factors, 0.25), b))
    assert kronecker_inverse(KroneckerFactors([(one, one), (one, -one)]), 0.25) is None


# --- the step


def test_a_step_minimises_the_exact_model_over_the_plane_and_lambda_follows_the_ratio():
    net, x = network(n=20)
    solver, point = KFAC(initial_shift=1e-4), net.at(x)
    state, raised = solver.init(point), []
    largest = max(float(torch.kron(*layer).diagonal().max()) for layer in point.kronecker_factors.layers)
    assert state.size == pytest.approx(1e-4 * largest)
    assert state.least == pytest.approx(torch.finfo(torch.float64).eps ** 2 * largest)  # below it nothing changes
    for _ in range(12):
        model = point.gauss_newton + state.size * torch.eye(net.size, dtype=torch.float64)
        damped = dense(point.kronecker_factors, state.size)
        u = torch.linalg.solve(damped, -point.gradient)
        plane = u.unsqueeze(1) if state.last is None else torch.stack([u, state.last], dim=1)
        inside = torch.linalg.solve(plane.T @ model @ plane, -(plane.T @ point.gradient))
        proposal = solver.propose(point, state)
        close(proposal.direction, plane @ inside, 1e-7)
        assert proposal.slope == pytest.approx(float(point.gradient @ proposal.direction), rel=1e-9)
        assert proposal.slope < 0
        arrived, after = solver.move(point, proposal)
        s = proposal.direction
        gain = -float(point.gradient @ s + s @ model @ s / 2)
        q = (float(point.value) - float(net.at(x + s).value)) / gain
        factor = state.growth if arrived is point else max(1 / 3, 1 - (2 * q - 1) ** 3)
        assert after.size == pytest.approx(state.size * factor, rel=1e-5)
        assert (arrived is point) == (q <= solver.eta0)
        assert after.last is (state.last if arrived is point else s)
        raised.append(arrived is point)
        point, state, x = arrived, after, arrived.x
    assert not all(raised)


def test_rejections_double_then_quadruple_lambda_and_keep_the_point():
    far = LogisticRegression(torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64))
    solver, point = KFAC(), far.at(torch.tensor([30.0], dtype=torch.float64))  # hardly curved: a step of 1e13
    state = solver.init(point)
    first, sizes = state.size, []
    for _ in range(3):
        arrived, state = solver.step(point, state)
        sizes.append(state.size / first)
        assert arrived is point
    assert sizes == pytest.approx([2, 8, 64])


def test_without_hidden_layers_it_is_exact_and_one_step_solves_least_squares():
    net, x = network(depth=0, n=20)
    result = minimize(KFAC(initial_shift=1e-24), net, x, Stop(None, iterations=1))
    ones = torch.cat([net.X, net.X.new_ones(len(net.X), 1)], dim=1)
    close(result.x.view(-1, 2), torch.linalg.lstsq(ones, net.Y).solution, 1e-9)


def test_the_minimiser_over_a_plane_leaves_out_what_is_parallel_or_flat():
    assert minimiser([[4.0, 0.0, 8.0], [0.0, 2.0, 2.0]]) == [-2.0, -1.0]
    assert minimiser([[2.0, 4.0, 6.0], [4.0, 8.0, 12.0]]) == [-3.0, 0.0]
    assert minimiser([[2.0, 6.0]]) == [-3.0] and minimiser([[0.0, 6.0]]) == [1.0]
    assert minimiser([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]) == [1.0, 0.0]


@pytest.mark.parametrize("unit", [2.0**-60, 1.0, 2.0**60])
def test_what_is_parallel_does_not_depend_on_the_units(unit):
    """Two directions at an angle whose squared sine is 1e-4, and at one where it is 1e-9."""
    far, near = (math.sqrt(1 - sine) for sine in (1e-4, 1e-9))
    assert minimiser([[unit, far * unit, unit], [far * unit, unit, -unit]])[1] != 0.0
    assert minimiser([[unit, near * unit, unit], [near * unit, unit, -unit]]) == [-1.0, 0.0]


def test_products_and_factors_are_counted():
    net, x = network(n=30)
    for momentum, products in ((True, 9), (False, 5)):
        counters = minimize(KFAC(momentum=momentum), net, x, Stop(None, iterations=5)).counters
        assert counters["gauss_newton_products"] == products  # the first step has none before it
        assert counters["kronecker_factors"] == counters["gradients"] <= 6
        assert counters["kronecker_factorisations"] == counters["line_search_trials"] == 5
        assert counters["hessians"] == counters["hessian_vector_products"] == counters["factorisations"] == 0


# --- as a method


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_network_goes_down_and_never_up(activation, dtype):
    net, x = network(activation, n=30, k=1)
    net = ResidualMLP(net.X.to(dtype), net.Y, 2, activation)
    result = minimize(SOLVERS["kfac"], net, x.to(dtype), Stop(iterations=60))
    values = [float(net.at(w).value) for w in result.trace.iterates]
    assert all(after <= before for before, after in pairwise(values))
    assert values[-1] < 0.2 * values[0] and result.x.dtype == dtype


def test_units_that_no_row_moves_are_no_obstacle():
    net, x = network("relu", n=20)
    net.blocks(x)["b1"].fill_(-100.0)  # dead: the slopes of the first layer are 0
    assert not net.at(x).kronecker_factors.layers[0][1].any()
    result = minimize(SOLVERS["kfac"], net, x, Stop(iterations=30))
    assert result.value < 0.7 * float(net.at(x).value)


@pytest.mark.parametrize(
    "objective", [FunctionObjective(lambda x: x.square().sum()), LeastSquares(lambda x: x - 3)], ids=["function", "sum"]
)
def test_without_layers_the_end_is_an_error_that_names_the_remedy(objective):
    result = minimize(SOLVERS["kfac"], objective, torch.ones(2, dtype=torch.float64))
    assert result.status == Status.ERROR and result.iterations == 0
    assert "this objective has no Kronecker factors" in result.message and "newton-cg" in result.message
