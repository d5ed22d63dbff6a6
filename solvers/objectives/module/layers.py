"""The linear and convolution layers that a module uses its weights in, and their Kronecker factors."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

REMEDY = "freeze it with requires_grad_(False), or take a method that needs no layers, such as newton-cg or lbfgs"
UNKNOWN = (
    "K-FAC knows linear layers and convolutions without groups; the parameter {} is used outside of them: " + REMEDY
)
SHARED = "K-FAC needs one bias for each weight; the parameter {} is used with several: " + REMEDY
ONE_OUTPUT = (
    "K-FAC needs a module that returns one tensor, with a row for each row of the inputs: take a method that needs no "
    "layers, such as newton-cg or lbfgs"
)


def _signature(*names: str, **defaults: Any) -> Signature:
    kind = Parameter.POSITIONAL_OR_KEYWORD
    plain = [Parameter(name, kind) for name in names]
    return Signature([*plain, *(Parameter(name, kind, default=value) for name, value in defaults.items())])


LINEAR = _signature("input", "weight", bias=None)
CONVOLUTION = _signature("input", "weight", bias=None, stride=1, padding=0, dilation=1, groups=1)
KNOWN: dict[Callable[..., Tensor], Signature] = {
    functional.linear: LINEAR,
    functional.conv1d: CONVOLUTION,
    functional.conv2d: CONVOLUTION,
    functional.conv3d: CONVOLUTION,
}


class Layers(NamedTuple):
    """keys: of each layer the names of its weight and its bias, "" where that is not one of the weights of x. order:
    (d,), where x has the entries of a matrix (inputs and a 1, outputs) for each layer, row by row."""

    keys: list[tuple[str, str]]
    order: Tensor


class Use(NamedTuple):
    """One call of a layer: rows (m, p), the inputs, with a 1 for the bias; what it returned, and the dimension of the
    outputs in that."""

    key: tuple[str, str]
    rows: Tensor
    returned: Tensor
    dimension: int


class Recorder(TorchFunctionMode):
    """Notes each call of a linear or convolution layer with one of the weights, and every other use of them."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.names = {id(weight): name for name, weight in weights.items()}
        self.weights = weights  # kept alive: their ids stay theirs
        self.uses: list[Use] = []
        self.elsewhere: set[str] = set()

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        returned = function(*args, **kwargs)
        if function in KNOWN:
            given = KNOWN[function].bind(*args, **kwargs)
            given.apply_defaults()
            layer = given.arguments
            key = tuple(self.names.get(id(layer[part]), "") for part in ("weight", "bias"))
            if any(key) and layer.get("groups", 1) == 1 and id(layer["input"]) not in self.names:
                self.uses.append(Use(key, rows_of(function, layer, key), returned, 1 - layer["weight"].dim()))
                return returned.clone()  # what is written into it later is no part of the layer
        if any(isinstance(leaf, Tensor) for leaf in tree_leaves(returned)):  # not a shape or a dtype
            self.elsewhere |= {self.names[id(leaf)] for leaf in tree_leaves((args, kwargs)) if id(leaf) in self.names}
        return returned


def rows_of(function: Any, layer: dict[str, Any], key: tuple[str, str]) -> Tensor:
    """The inputs of a layer as rows (m, p): one for each place where it is applied, with a 1 for a bias."""
    h, weight = layer["input"].detach(), layer["weight"].detach()
    if function is functional.linear:
        rows = h.reshape(-1, h.shape[-1])
    else:
        rows = patches(function, h, weight, layer)
    if not key[0]:  # a frozen weight
        rows = rows[:, :0]
    return torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1) if key[1] else rows


def patches(function: Any, h: Tensor, weight: Tensor, layer: dict[str, Any]) -> Tensor:
    """What a convolution multiplies by its weight, (m, p), by a convolution that picks out each entry."""
    h = h.unsqueeze(0) if h.dim() < weight.dim() else h
    channels, kernel = weight.shape[1], weight.shape[2:]
    pick = torch.eye(kernel.numel(), dtype=h.dtype, device=h.device).view(-1, 1, *kernel)
    pick = pick.repeat(channels, *[1] * (weight.dim() - 1))
    settings = {name: layer[name] for name in ("stride", "padding", "dilation")}
    return function(h, pick, None, groups=channels, **settings).movedim(1, -1).flatten(0, -2)


def recorded(f: Any, x: Tensor) -> tuple[Any, Recorder]:
    """The outputs at x with their graph, and the uses of the weights on the way."""
    with Recorder(f.parameters(x)) as recorder:
        return f.called(recorder.weights.values()), recorder


def used_layers(f: Any, x: Tensor) -> Layers | str:
    """The layers of a module, found by calling it once, or why they do not hold all of its weights."""
    with torch.enable_grad():
        outputs, recorder = recorded(f, x.requires_grad_())
    keys = list(dict.fromkeys(use.key for use in recorder.uses))
    inside = [name for key in keys for name in key if name]
    for name in f.names:
        if name in recorder.elsewhere or name not in inside:
            return UNKNOWN.format(name)
        if inside.count(name) > 1:
            return SHARED.format(name)
    if not isinstance(outputs, Tensor) or outputs.dim() == 0 or (f.rows is not None and len(outputs) % f.rows):
        return ONE_OUTPUT
    places, order = f.parameters(torch.arange(f.size, device=x.device)), []
    for weight, bias in keys:
        block = [places[weight].flatten(1).T] if weight else []  # (p, q)
        order.append(torch.cat([*block, *([places[bias].unsqueeze(0)] if bias else [])]).flatten())
    return Layers(keys, torch.cat(order))


def kronecker_factors(f: Any, x: Tensor, layers: Layers) -> list[tuple[Tensor, Tensor]]:
    """Layer by layer the mean of h h^T over its uses, and the sum of J_i^T C_i J_i, by as many passes backwards as a
    row has outputs (Grosse & Martens 2016, arXiv:1602.01407, for convolutions: "expand" where a weight is shared)."""
    outputs, recorder = recorded(f, x)
    roots = curvature_roots(f, outputs)  # (k, *outputs.shape)
    returned = [use.returned for use in recorder.uses]
    right: dict[tuple[str, str], Tensor] = {}
    for root in roots:
        slopes = torch.autograd.grad(outputs, returned, root, retain_graph=True, materialize_grads=True)
        for use, slope in zip(recorder.uses, slopes, strict=True):
            flat = slope.movedim(use.dimension, -1)
            flat = flat.reshape(-1, flat.shape[-1])  # (m, q)
            product = flat.T @ flat
            right[use.key] = right[use.key] + product if use.key in right else product
    found = []
    for key in layers.keys:
        rows = [use.rows for use in recorder.uses if use.key == key]
        left = sum(part.T @ part for part in rows) / sum(map(len, rows))
        found.append((left, right[key]))
    return found


def curvature_roots(f: Any, outputs: Tensor) -> Tensor:
    """S (k, n, ...) with C_i = sum_k s_ki s_ki^T, the Hessian of the loss in the k outputs of row i."""
    free = outputs.detach().clone().requires_grad_()
    (slopes,) = torch.autograd.grad(f.scalar_of(free), free, create_graph=True)
    n = len(free)
    k = free.numel() // n
    C = free.new_zeros(n, k, k)
    for column in range(k if slopes.requires_grad else 0):
        unit = free.new_zeros(n, k)
        unit[:, column] = 1
        (product,) = torch.autograd.grad(slopes, free, unit.view_as(free), retain_graph=True, materialize_grads=True)
        C[:, :, column] = product.reshape(n, k)
    if k == 1:
        return C.clamp(min=0).sqrt().view(1, *free.shape)
    values, vectors = torch.linalg.eigh(C)
    roots = vectors * values.clamp(min=0).sqrt().unsqueeze(1)  # (n, k, k): columns
    return roots.permute(2, 0, 1).reshape(k, *free.shape)
