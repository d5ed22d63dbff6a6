"""The gradient check passes on the right backpropagation, and names the block on each wrong one."""

from __future__ import annotations

import inspect
import math

import pytest
import torch
from matplotlib.figure import Figure

from datasets.checks import residual_mlp as gradient_check
from datasets.checks.residual_mlp import DATA, check, draw
from solvers.objectives import FunctionObjective, LogisticRegression, Point, ResidualMLP, residual_mlp
from solvers.objectives.residual_mlp import ACTIVATIONS
from solvers.objectives.taylor_check import check_derivatives

BLOCKS = ["W1", "b1", "W2", "b2", "W3", "b3"]
HIDDEN = BLOCKS[:4]


@pytest.fixture(scope="module")
def batch():
    """Two-view images in small: 12 views of 6 x 6 pixels in [0, 1], and labels."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(12, 1, 6, 6, generator=generator), torch.randint(10, (12,), generator=generator)


def failing(checks) -> list[str]:
    return [found.block for found in checks if not found.passed]


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_block_passes(activation, data, batch):
    checks = check(activation, "cpu", data, batch=batch)
    assert [found.block for found in checks] == BLOCKS
    assert not failing(checks)
    for found in checks:
        assert found.gradient_error < 1e-12
        assert found.difference_error < 1e-9
        assert found.first.slope == pytest.approx(2, abs=0.05)
        assert -1.7 < found.rounding_slope < -0.3  # about -1, but it is made of noise
        if found.block in HIDDEN and activation != "relu":
            assert found.differences.slope == pytest.approx(2, abs=0.05)
            assert found.second.slope == pytest.approx(3, abs=0.1)
        else:  # the loss is quadratic in the last layer, and between two kinks in each block of a ReLU net
            assert math.isnan(found.second.slope)


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_any_depth_can_be_checked(depth):
    checks = check(depth=depth)
    assert len(checks) == 2 * (depth + 1) and not failing(checks)


# --- deliberate mistakes


def broken(monkeypatch, owner, name: str, term: str, wrong: str) -> None:
    """Replace the function by itself with one term of its source changed."""
    source = inspect.cleandoc("\n" + inspect.getsource(getattr(owner, name)))
    assert source.count(term) == 1
    space = dict(vars(residual_mlp))
    exec(source.replace(term, wrong), space)
    monkeypatch.setattr(owner, name, space[name])


MISTAKES = {
    "e_L = W r": ("R @ W[-1].mT", "1.01 * R @ W[-1].mT", HIDDEN),
    "delta = e * g'": ("E[0] * slopes[layer]", "1.01 * E[0] * slopes[layer]", HIDDEN),
    "the skip of the error": ("E[0] + D[0]", "1.01 * E[0] + D[0]", ["W1", "b1"]),
    "the error through the layer": ("D[0] @ W[layer].mT", "1.01 * D[0] @ W[layer].mT", ["W1", "b1"]),
    "a forgotten skip": ("E[0] + D[0] @ W[layer].mT", "D[0] @ W[layer].mT", ["W1", "b1"]),
    "a transposed weight": ("W[layer].mT", "W[layer]", ["W1", "b1"]),
    "the last layer's delta": ("[R]", "[1.01 * R]", ["W3", "b3"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_wrong_term_is_caught_and_its_blocks_are_named(monkeypatch, mistake):
    term, wrong, blocks = MISTAKES[mistake]
    broken(monkeypatch, residual_mlp, "backwards", term, wrong)
    checks = check()
    assert failing(checks) == blocks
    for found in checks:
        if not found.passed:
            assert {"autograd", "central differences", "first Taylor remainder"} <= set(found.failures)


@pytest.mark.parametrize("block", BLOCKS)
def test_one_wrong_block_is_named_and_no_other(monkeypatch, block):
    right = residual_mlp.collected

    def wrong(H, D):
        flat = right(H, D)
        k = D[-1].shape[-1]
        part = ResidualMLP(H[0], torch.zeros(len(H[0]), k)).slices[block]
        flat[..., part] *= 1.01
        return flat

    monkeypatch.setattr(residual_mlp, "collected", wrong)
    assert failing(check()) == [block]
    assert failing(check("relu")) == [block]


@pytest.mark.parametrize(
    "term, wrong",
    [("(h.mT @ delta)", "(1.01 * h.mT @ delta)"), ("delta.sum(-2)", "1.01 * delta.sum(-2)")],
    ids=["weights", "biases"],
)
def test_a_wrong_sum_over_samples_is_named(monkeypatch, term, wrong):
    broken(monkeypatch, residual_mlp, "collected", term, wrong)
    assert failing(check()) == [name for name in BLOCKS if name[0] == ("W" if "mT" in term else "b")]


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus", "relu"])
def test_a_wrong_slope_of_the_activation_is_named(monkeypatch, activation):
    g = ACTIVATIONS[activation]
    monkeypatch.setitem(ACTIVATIONS, activation, g._replace(slope=lambda a: 1.01 * g.slope(a)))
    assert failing(check(activation)) == HIDDEN


@pytest.mark.parametrize(
    "term, wrong",
    [
        ("E[layer] * self.bends[layer]", "1.01 * E[layer] * self.bends[layer]"),
        ("dY * self.objective.scale", "1.01 * dY * self.objective.scale"),
        ("dE * self.slopes[layer]", "1.01 * dE * self.slopes[layer]"),
        ("dD[0] @ W[layer].mT", "1.01 * dD[0] @ W[layer].mT"),
        ("h.mT @ ddelta", "1.01 * h.mT @ ddelta"),
    ],
)
def test_a_wrong_term_of_the_hessian_shows_in_the_second_remainder_alone(monkeypatch, term, wrong):
    broken(monkeypatch, residual_mlp.MLPPoint, "_product", term, wrong)
    checks = check()
    assert failing(checks)
    assert {name for found in checks for name in found.failures} == {"second Taylor remainder"}


class OffByOnePercent(FunctionObjective):
    def at(self, x):
        right = super().at(x)

        class Wrong(Point):
            value, hessian = right.value, right.hessian
            gradient = 1.01 * right.gradient

        return Wrong(self, x)


def test_any_objective_can_be_checked_in_one_piece(logistic):
    def f(x):
        return (x.square().sum() + 1).log()

    x = torch.linspace(-1, 2, 4, dtype=torch.float64)
    (found,) = check_derivatives(FunctionObjective(f), x, f)
    assert found.passed and found.block == "x" and found.size == 4
    (found,) = check_derivatives(OffByOnePercent(f), x)
    assert found.gradient_error is None
    assert found.failures[:2] == ("central differences", "first Taylor remainder")
    assert found.difference_error == pytest.approx(0.01, rel=0.02)
    problem = logistic(fit_intercept=True, l2=0.1)
    assert isinstance(problem, LogisticRegression)
    checks = check_derivatives(problem, x.new_ones(5), blocks={"weights": slice(0, 4), "intercept": slice(4, 5)})
    assert not failing(checks)


def test_a_derivative_that_is_not_finite_fails():
    class Wrong(OffByOnePercent):
        def at(self, x):
            point = super().at(x)
            point.__dict__.update(gradient=torch.full_like(x, torch.nan))
            return point

    def f(x):
        return x.square().sum()

    (found,) = check_derivatives(Wrong(f), torch.ones(2, dtype=torch.float64), f)
    assert {"autograd", "central differences", "first Taylor remainder"} <= set(found.failures)


# --- the figure and bad input


def test_the_figure_has_a_line_for_each_block_and_labelled_axes():
    checks = check()
    axes = Figure().subplots()
    draw(checks, axes)
    assert axes.get_xlabel() and axes.get_ylabel()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == BLOCKS
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_a_failing_block_is_marked_in_the_figure(monkeypatch):
    broken(monkeypatch, residual_mlp, "backwards", "[R]", "[1.01 * R]")
    axes = Figure().subplots()
    draw(check(), axes)
    assert [text.get_text() for text in axes.get_legend().get_texts()][-2:] == ["W3 (fails)", "b3 (fails)"]


def test_bad_input_is_one_sentence_with_the_remedy():
    for settings, words in (
        (dict(activation="tan"), "did you mean tanh"),
        (dict(data="two-views"), "did you mean two-view"),
        (dict(data="two-view"), "batch"),
        (dict(device="cuda:99"), "try cpu"),
    ):
        with pytest.raises(ValueError, match=words):
            check(**settings)


def test_a_kink_at_the_point_itself_is_an_error():
    net = ResidualMLP(torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1, 1), activation="relu")
    x = net.random_start(torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="kink"):
        check_derivatives(net, x, blocks=net.slices, reach=lambda v: gradient_check.smooth_reach(net, x, v))
