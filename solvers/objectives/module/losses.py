"""What is known of a loss: is it convex in the outputs, and a mean or a sum over rows?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Convex, and with a curvature: l1_loss has none, and nll_loss is convex in the logarithms of probabilities alone.
CONVEX_FUNCTIONS = (
    functional.mse_loss,
    functional.cross_entropy,
    functional.binary_cross_entropy_with_logits,
    functional.huber_loss,
    functional.smooth_l1_loss,
    functional.soft_margin_loss,
    functional.poisson_nll_loss,
)
CONVEX_MODULES = (
    nn.MSELoss,
    nn.CrossEntropyLoss,
    nn.BCEWithLogitsLoss,
    nn.HuberLoss,
    nn.SmoothL1Loss,
    nn.SoftMarginLoss,
    nn.PoissonNLLLoss,
)
NO_MEAN = (
    "the loss is neither a mean nor a sum over rows (checked on the first {} of them: {:.6g} for all, {:.6g} and "
    "{:.6g} for the first {} and the rest), so that it cannot be computed in chunks of rows: give one with such a "
    "reduction, or leave out rows_per_chunk"
)


def is_convex(loss: Callable[..., Any]) -> bool:
    """Whether a loss is one of torch's that are convex in the outputs, with settings fixed by functools.partial or not.
    A subclass may compute something else, and is not one of them."""
    while isinstance(loss, partial):
        loss = loss.func
    return any(loss is known for known in CONVEX_FUNCTIONS) or type(loss) in CONVEX_MODULES


def reduction(value: Callable[[slice], Tensor], rows: int) -> str:
    """Whether a loss over `rows` >= 3 rows is the "mean" of its parts, weighted by their rows, or their "sum".

    value: the loss over a slice of the rows. ValueError where it is neither, or both because it vanishes.
    """
    first = rows // 3
    values = [value(part) for part in (slice(0, rows), slice(0, first), slice(first, rows))]
    whole, head, rest = map(float, values)
    mean, total = (first * head + (rows - first) * rest) / rows, head + rest
    tolerance = torch.finfo(values[0].dtype).eps ** 0.5 * (abs(head) + abs(rest))
    is_mean, is_sum = abs(whole - mean) <= tolerance, abs(whole - total) <= tolerance
    if is_mean == is_sum:
        raise ValueError(NO_MEAN.format(rows, whole, head, rest, first))
    return "mean" if is_mean else "sum"
