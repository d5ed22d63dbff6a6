"""The gradient check of the residual MLP: hand-derived against autograd, differences and Taylor, block by block."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from solvers.common.names import lookup
from solvers.objectives.residual_mlp import ResidualMLP
from solvers.objectives.taylor_check import BlockCheck, Curve, check_derivatives

from ..loaders.breast_cancer import breast_cancer
from ..registry import present_device
from ..two_view.views import MNISTTwoView

DATA = ("random", "breast-cancer", "two-view")

# Written apart from the objective's own, in torch's words: autograd differentiates these.
TEXTBOOK: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": lambda a: torch.logaddexp(a, torch.zeros_like(a)),
    "relu": torch.relu,
}


def textbook(objective: ResidualMLP) -> Callable[[Tensor], Tensor]:
    """The loss as the formula reads, samples as columns, for autograd to differentiate."""
    g = TEXTBOOK[objective.activation]

    def loss(x: Tensor) -> Tensor:
        part = objective.blocks(x)
        h = objective.X.T  # (d, N)
        for layer in range(1, objective.depth + 1):
            h = g(part[f"W{layer}"].T @ h + part[f"b{layer}"][:, None]) + h
        last = objective.depth + 1
        outputs = part[f"W{last}"].T @ h + part[f"b{last}"][:, None]  # (k, N)
        return (objective.Y.T - outputs).pow(2).sum(0).mean()

    return loss


def check(
    activation: str = "tanh",
    device: str | torch.device = "cpu",
    data: str = "random",
    *,
    batch: tuple[Tensor, Tensor] | None = None,
    depth: int = 2,
    seed: int = 0,
) -> list[BlockCheck]:
    """One row for each of W1, b1, ..., at a random start in float64.

    data: "random" (40 rows, 6 features, 3 outputs), "breast-cancer" (398 x 30, one output), or "two-view" with
        batch = (views (N, ...), labels (N,)): the views are flattened, the labels 0..9 become 10 outputs.
    Raises ValueError for an unknown activation, device or data, and for "two-view" without a batch.
    """
    lookup(TEXTBOOK, activation, "activation")
    device = present_device(device)
    X, Y = rows(data, batch, torch.Generator().manual_seed(seed))
    objective = ResidualMLP(X.to(device), Y.to(device), depth, activation)
    x = objective.random_start(torch.Generator().manual_seed(seed + 1))
    reach = (lambda v: smooth_reach(objective, x, v)) if activation == "relu" else None
    return check_derivatives(objective, x, textbook(objective), objective.slices, seed=seed + 2, reach=reach)


def rows(data: str, batch: tuple[Tensor, Tensor] | None, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """X (N, d) and Y (N, k), float64."""
    lookup(dict.fromkeys(DATA), data, "data")
    if data == "breast-cancer":
        train = breast_cancer()
        return train.X, train.y.unsqueeze(1)
    if data == "random":
        X, Y = (torch.randn(40, width, generator=generator, dtype=torch.float64) for width in (6, 3))
        return X, Y
    if batch is None:
        raise ValueError("data 'two-view' needs batch=(views, labels): take one from a DataLoader over MNISTTwoView")
    views, labels = batch
    return views.flatten(1).double(), torch.nn.functional.one_hot(labels.long(), 10).double()


def two_view_batch(rows: int = 32) -> tuple[Tensor, Tensor]:
    """View 1 of the first training digits and their labels; DataError where MNIST is not there."""
    digits = MNISTTwoView(download=False, seed=0)
    items = [digits[i] for i in range(rows)]
    return torch.stack([view for _, view, _, _ in items]), torch.tensor([label for *_, label in items])


def table(checks: Sequence[BlockCheck]) -> list[dict[str, str]]:
    """One row a block, as text: relative errors against autograd and central differences, the two Taylor slopes."""

    def slope(curve: Curve) -> str:
        return "-" if math.isnan(curve.slope) else f"{curve.slope:.3f}"

    return [
        {
            "block": found.block,
            "entries": str(found.size),
            "autograd": f"{found.gradient_error:.1e}",
            "differences": f"{found.difference_error:.1e}",
            "Taylor 1": slope(found.first),
            "Taylor 2": slope(found.second),
            "verdict": "pass" if found.passed else "FAIL: " + ", ".join(found.failures),
        }
        for found in checks
    ]


def smooth_reach(objective: ResidualMLP, x: Tensor, v: Tensor) -> float:
    """Half the step along v at which the first ReLU switches.

    While no unit switches, pre-activations are affine in the step where v lies in one block.
    """
    point = objective.at(x)
    nearest = math.inf
    for a, da in zip(point.forward[0], point.tangents(v)[0], strict=True):
        moving = da != 0
        if bool(moving.any()):
            nearest = min(nearest, float((a[moving] / da[moving]).abs().min()))
    return nearest / 2


def draw(checks: Sequence[BlockCheck], axes: Any) -> None:
    """Relative error of central differences against the step, one line a block, on given Axes.

    Two guides: slope -1, where rounding rules, and slope 2, where the step is too long; a function that is quadratic
    in a block has no such part.
    """
    for found in checks:
        points = [
            (t, error) for t, error in zip(found.differences.steps, found.differences.errors, strict=True) if error
        ]
        style = "-" if found.passed else "--"
        axes.loglog(
            *zip(*points, strict=True), style, marker=".", label=found.block + ("" if found.passed else " (fails)")
        )
    ends = [min(found.differences.steps[0] for found in checks), max(found.differences.steps[-1] for found in checks)]
    eps = torch.finfo(torch.float64).eps
    guides = [(" slope -1", "left", lambda t: eps / t, 1e-3)]
    if not all(math.isnan(found.differences.slope) for found in checks):
        guides.append(("slope 2 ", "right", lambda t: t**2, 1e-7))
    limits = axes.get_ylim()
    for label, side, guide, t in guides:
        axes.loglog(ends, [guide(end) for end in ends], color="0.6", linestyle=":", linewidth=1, zorder=0)
        axes.annotate(label, (t, guide(t)), color="0.4", ha=side, va="bottom")
    axes.set_ylim(limits)
    axes.set_xlabel("step (relative to the block)")
    axes.set_ylabel("relative error of central differences")
    axes.legend(title="block", fontsize="small")
