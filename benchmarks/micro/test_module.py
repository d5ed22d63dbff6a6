"""A network as a torch.nn.Module beside the same one with derivatives written by hand, and beside bare autograd.

The aim is at most 1.3 times the time of the hand-written derivatives. `pytest --benchmark-only -s -k module` prints it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from solvers.objectives import ModuleObjective, ResidualMLP

SIZES = ((100, 10), (398, 10), (398, 30))  # rows and features: 121 and 961 weights


class Residual(nn.Module):
    """The network of ResidualMLP with one hidden layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden, self.last = nn.Linear(width, width), nn.Linear(width, 1)

    def forward(self, h: Tensor) -> Tensor:
        return self.last(torch.tanh(self.hidden(h)) + h)


def loss(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().sum() / len(targets)


def contestants(n: int, d: int, what: str) -> tuple[Callable[[], object], ...]:
    """ModuleObjective, ResidualMLP and bare autograd, each with a function that computes the same."""
    random = torch.Generator().manual_seed(0)
    X, Y = (torch.randn(n, k, generator=random, dtype=torch.float64) for k in (d, 1))
    net, by_hand = Residual(d).double(), ResidualMLP(X, Y, depth=1)
    ours, weights = ModuleObjective(net, loss, X, Y), list(net.parameters())
    x = by_hand.random_start(random)  # in another order than the module's: the same arithmetic
    slopes = torch.autograd.grad(loss(net(X), Y), weights, create_graph=True)
    parts = [torch.randn(w.shape, generator=random, dtype=torch.float64) for w in weights]
    v = torch.cat([part.flatten() for part in parts])

    def value_and_gradient(f: object) -> Callable[[], object]:
        def run() -> Tensor:
            point = f.at(x)
            _ = point.float_value
            return point.gradient

        return run

    def product(f: object) -> Callable[[], object]:
        point = f.at(x)
        point.hvp(v)  # with the graph of the gradient, which further products share
        return lambda: point.hvp(v)

    if what == "product":
        return product(ours), product(by_hand), lambda: torch.autograd.grad(slopes, weights, parts, retain_graph=True)

    def bare() -> Tensor:
        return torch.cat([slope.flatten() for slope in torch.autograd.grad(loss(net(X), Y), weights)])

    return value_and_gradient(ours), value_and_gradient(by_hand), bare


@pytest.mark.benchmark(group="a module")
@pytest.mark.parametrize("beside", ["by hand", "bare autograd"])
@pytest.mark.parametrize("what", ["value and gradient", "product"])
@pytest.mark.parametrize(("n", "d"), SIZES)
def test_a_module_beside_derivatives_by_hand(benchmark, alternate, n, d, what, beside, capsys):
    ours, by_hand, bare = contestants(n, d, what)
    pairs = alternate(ours, by_hand if beside == "by hand" else bare, rounds=300)
    benchmark.extra_info["ratio"] = pairs.ratio._asdict()
    with capsys.disabled():
        print(f"\n{what} of a module on {n} x {d}, beside {beside}: ratio {pairs.ratio.times(1)} (aim by hand: 1.3)")
