"""What a module must be for its loss to be a function of its weights alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.parameter import is_lazy
from torch.utils._pytree import keystr, tree_flatten_with_path

from ...common.validation import EPS
from ..base import Point
from ..layout import Layout


def trainable(model: Any) -> dict[str, Tensor]:
    """The parameters that require gradients, tied ones once, by name; TypeError or ValueError for no such module."""
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model must be a torch.nn.Module, found {type(model).__name__}: wrap a function of a tree "
            "of tensors as FunctionObjective(f, example)"
        )
    for name, parameter in model.named_parameters():
        if is_lazy(parameter):
            raise ValueError(f"parameter {name} has no shape yet: call the module on a batch once first")
        if parameter.requires_grad and parameter.dtype not in EPS:
            raise TypeError(
                f"parameter {name} is {parameter.dtype}: solvers work in torch.float64 (model.double()) or float32"
            )
    for name, layer in model.named_modules():
        if layer.training and _changes_in_training(layer):
            raise ValueError(
                f"{name or 'the module'} ({type(layer).__name__}) is in training mode, in which its outputs depend on "
                "more than the weights and the row: call model.eval() first"
            )
    found = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not found:
        raise ValueError("the module has no trainable parameters: set requires_grad_(True) on those to be fitted")
    return found


def _changes_in_training(layer: nn.Module) -> bool:
    """Whether a layer draws random numbers in training mode, or computes with the statistics of the whole batch."""
    if isinstance(layer, _DropoutNd):
        return layer.p > 0
    if isinstance(layer, (nn.RNNBase, nn.MultiheadAttention)):
        return layer.dropout > 0
    return isinstance(layer, (_BatchNorm, nn.RReLU)) or (isinstance(layer, _InstanceNorm) and layer.track_running_stats)


def tensors(**trees: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors of some trees, with their names."""
    for name, tree in trees.items():
        for path, leaf in tree_flatten_with_path(tree)[0]:
            if isinstance(leaf, Tensor):
                yield name + keystr(path), leaf


def check_place(layout: Layout, named: Iterator[tuple[str, Tensor]]) -> None:
    """ValueError for a tensor on another device than the weights, or a floating-point one of another dtype."""
    for name, tensor in named:
        if tensor.device != layout.device:
            raise ValueError(
                f"{name} is on {tensor.device} and the weights on {layout.device}: move them to one with .to(...)"
            )
        if tensor.is_floating_point() and tensor.dtype != layout.dtype:
            raise ValueError(
                f"{name} is {tensor.dtype} and the weights {layout.dtype}: bring them to one dtype with .to(...)"
            )


def common_rows(inputs: Any, targets: Any) -> int | None:
    """The first dimension that all tensors of inputs and targets share; None where they do not."""
    found = {tensor.shape[:1] for _, tensor in tensors(inputs=inputs, targets=targets)}
    return next(iter(found))[0] if len(found) == 1 and () not in found else None


def check_repeatable(module: nn.Module, value: Callable[[], Tensor]) -> None:
    """ValueError where the loss, computed twice, is not the same, or a buffer of the module is another one then."""
    before = {name: (buffer, buffer._version) for name, buffer in module.named_buffers()}
    first, second = float(value()), float(value())
    for name, buffer in module.named_buffers():
        if name not in before or before[name][0] is not buffer or before[name][1] != buffer._version:
            raise ValueError(
                f"the module writes to its buffer {name} when it is called, so that f would not be a function of the "
                "weights alone: call model.eval() first"
            )
    if math.isfinite(first) and abs(second - first) > torch.finfo(torch.float32).eps ** 0.5 * abs(first):
        raise ValueError(
            f"the loss of the same weights is {first:.6g} and then {second:.6g}: call model.eval(), and take random "
            "numbers out of the module and the loss"
        )


def is_asymmetric(point: Point) -> bool:
    """Whether products with the Hessian contradict its symmetry, as where torch differentiates an operation twice
    wrongly; no where it does not differentiate it twice at all, which it says when asked."""
    generator = torch.Generator().manual_seed(0)
    u, v = torch.randn(2, len(point.x), generator=generator, dtype=torch.float64).to(point.x).unbind()
    try:
        Hu, Hv = point.hvp(u), point.hvp(v)
    except RuntimeError:
        return False
    difference, size = float((u @ Hv - v @ Hu).abs()), float(u.norm() * Hv.norm() + v.norm() * Hu.norm())
    return difference > torch.finfo(u.dtype).eps ** (1 / 3) * size
