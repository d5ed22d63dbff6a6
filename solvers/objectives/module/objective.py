"""Any torch.nn.Module with a loss as an objective over its trainable weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_map

from ...common.cached import cached
from ...common.validation import non_negative, whole
from ..autograd import graph_bytes, scalar
from ..base import Objective
from ..layout import Layout
from .checks import check_place, check_repeatable, common_rows, is_asymmetric, tensors, trainable
from .layers import Layers, used_layers
from .losses import is_convex, reduction
from .point import ChunkedPoint, ModulePoint
from .substitution import Substitution, plain_attention

SAMPLE = 64  # rows on which the reduction of the loss is looked at
FEW = 4  # rows, and twice as many, from which the bytes of a row follow; with one more, those of the first checks
GRAPH_BYTES = 1 << 30  # what the graphs of f and its gradient may keep where rows_per_chunk is not given
GRAPH_BYTES_ACCELERATOR = 1 << 33


class ModuleObjective(Objective):
    """f(x) = loss(model(inputs), targets) + l2/2 ||x||^2, x (d,) the trainable weights one after the other.

    model: any torch.nn.Module. x has its parameters with requires_grad in the order of `model.named_parameters()`,
        tied ones once; frozen parameters and buffers are those at this moment. The module is copied and never changed,
        but by `load(result)`. Its weights at the time are the default start of a run.
    loss: a function of (outputs, targets) that returns a scalar, such as torch.nn.functional.mse_loss or
        torch.nn.CrossEntropyLoss(). inputs: a tensor, a tuple of positional arguments or a dict of keyword arguments.
        targets: whatever the loss takes. All on one device and, where floating-point, in one dtype.
    convex_loss: whether the loss is convex in the outputs, for `gauss-newton`, `levenberg-marquardt` and `kfac`; None:
        known of torch's own losses, no for others.
    rows_per_chunk: f and its derivatives are sums over chunks of so many rows, whose graphs are not kept; the loss must
        be a mean or a sum over rows (looked at on the first 64; a chunk counts by its rows if it is a mean). None: all
        rows at once, unless their graphs keep more than 1 GiB (8 GiB on an accelerator) and the loss allows chunks.

    Derivatives are those of autograd over one graph kept on the point. The Gauss-Newton matrix is J^T C J + l2 I, with
    J the derivative of the outputs and C the Hessian of the loss in them (Schraudolph 2002, Neural Computation 14,
    p. 1723). Nothing is claimed about convexity or the existence of a minimiser.
    Raises TypeError or ValueError, in a sentence that names the remedy: for a module in training mode whose outputs
    depend on it, without trainable parameters, or that writes to its buffers; for mixed dtypes or devices; for a loss
    that is no scalar, random, or cannot be computed in chunks where rows_per_chunk asks for it. MemoryError from a
    solver that needs the Hessian where that cannot fit; RuntimeError from one that needs second derivatives which torch
    computes wrongly (checked by their symmetry, on a few rows at the start). What the module or the loss raise is
    passed on.
    """

    by_autograd = True

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any, Any], Tensor],
        inputs: Any,
        targets: Any,
        l2: float = 0.0,
        *,
        convex_loss: bool | None = None,
        rows_per_chunk: int | None = None,
    ) -> None:
        weights = trainable(model)
        if not callable(loss):
            raise TypeError(f"loss must be a function of (outputs, targets), found {type(loss).__name__}")
        self.model, self.loss, self.l2 = model, loss, non_negative("l2", l2)
        self.inputs, self.targets = inputs, targets
        self.convex_loss = is_convex(loss) if convex_loss is None else bool(convex_loss)
        self.rows_per_chunk = rows_per_chunk
        self.layout = Layout("parameters", weights)
        others = {name: p for name, p in model.named_parameters() if name not in weights}
        buffers = dict(model.named_buffers())
        check_place(self.layout, tensors(parameters=others, buffers=buffers, inputs=inputs, targets=targets))
        try:
            self.module = copy.deepcopy(model)
        except Exception as error:
            raise TypeError(
                f"the module cannot be copied ({error}): keep in it no tensor with a graph, nor what copy.deepcopy "
                "does not know"
            ) from error
        self.rows = common_rows(inputs, targets)
        self.parts: list[tuple[float, ModuleObjective]] = []  # the chunks with their weights; none: all rows at once
        self.asymmetric = False
        x = self.start()
        few = self._few(x)
        check_repeatable(self.module, lambda: few.scalar(x))
        chunk = self._fitting_rows(few, x) if rows_per_chunk is None else whole("rows_per_chunk", rows_per_chunk)
        self.asymmetric = is_asymmetric(ModulePoint(few, x))
        if self.rows is None and rows_per_chunk is not None:
            raise ValueError(
                "rows_per_chunk needs rows: all tensors of inputs and targets must share their first dimension"
            )
        try:
            self._divide(x, chunk)
        except ValueError:  # of a loss that is computed over all rows or not at all
            if rows_per_chunk is not None:
                raise

    @property
    def size(self) -> int:
        """d."""
        return self.layout.size

    @property
    def dtype(self) -> torch.dtype:
        """That of the weights."""
        return self.layout.dtype

    def start(self) -> Tensor:
        """The weights that the user's module has now, (d,)."""
        known = dict(self.model.named_parameters())
        return self.layout.join([known[name] for name in self.names])

    @cached
    def names(self) -> list[str]:
        """Of the weights, in their order in x."""
        return list(self.layout.split(torch.empty(self.size, device="meta")))

    def parameters(self, x: Tensor) -> dict[str, Tensor]:
        """The weights in x (d,) by name, as views."""
        return self.layout.split(x)

    def load(self, result: Any) -> None:
        """Write the weights of a Result, or of x (d,), into the user's module."""
        x = getattr(result, "x", result)
        self.layout.check(x)
        known = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, weight in self.parameters(x.detach()).items():
                known[name].copy_(weight)

    def to(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> ModuleObjective:
        """The same objective in another dtype or on another device; `load` writes into the same module of the user."""

        def moved(part: Any) -> Any:
            if isinstance(part, Tensor):
                return part.to(device=device, dtype=dtype if part.is_floating_point() else None)
            return part

        loss = copy.deepcopy(self.loss).to(device, dtype) if isinstance(self.loss, nn.Module) else self.loss
        data = (tree_map(moved, tree) for tree in (self.inputs, self.targets))
        settings = {"convex_loss": self.convex_loss, "rows_per_chunk": self.rows_per_chunk}
        found = ModuleObjective(copy.deepcopy(self.module).to(device, dtype), loss, *data, self.l2, **settings)
        found.model = self.model
        return found

    def at(self, x: Tensor) -> ModulePoint:
        self.layout.check(x)
        return ChunkedPoint(self, x) if self.parts else ModulePoint(self, x)

    def outputs(self, x: Tensor) -> Any:
        """What the module returns with the weights x."""
        return self.called(self.layout.parts(x))

    def called(self, weights: Iterable[Tensor]) -> Any:
        """What the module returns with these weights, in the order of `names`."""
        args, named = self.inputs, {}
        if isinstance(args, dict):
            args, named = (), args
        elif not isinstance(args, (tuple, list)):
            args = (args,)
        with plain_attention():
            if self.substitution is None:
                return functional_call(self.module, dict(zip(self.names, weights, strict=True)), tuple(args), named)
            with self.substitution.of(weights):
                return self.module(*args, **named)

    @cached
    def substitution(self) -> Substitution | None:
        """None for a module that keeps its weights elsewhere, too, as one compiled by TorchScript does."""
        elsewhere = any(isinstance(part, (torch.jit.ScriptModule, nn.DataParallel)) for part in self.module.modules())
        return None if elsewhere else Substitution(self.module, self.names)

    def scalar_of(self, outputs: Any) -> Tensor:
        """The loss of some outputs, without the penalty."""
        return scalar("loss", self.loss(outputs, self.targets))

    def scalar(self, x: Tensor) -> Tensor:
        """The loss at x, without the penalty."""
        with torch.no_grad():
            return self.scalar_of(self.outputs(x))

    @cached
    def layers(self) -> Layers | str:
        """Where the weights of linear and convolution layers lie in x, or why K-FAC does not know all of them."""
        x = self.start()
        return used_layers(self._few(x), x)

    def on_rows(self, rows: slice, l2: float = 0.0) -> ModuleObjective:
        """The same over some of the rows."""
        part = copy.copy(self)
        for cache in ("_graph_bytes", "layers"):
            part.__dict__.pop(cache, None)
        part.inputs, part.targets = (
            tree_map(lambda leaf: leaf[rows] if isinstance(leaf, Tensor) else leaf, tree)
            for tree in (self.inputs, self.targets)
        )
        part.parts, part.l2, part.rows = [], l2, len(range(*rows.indices(self.rows or 0)))
        return part

    def _few(self, x: Tensor) -> ModuleObjective:
        """A few rows, for checks; all of them where the module cannot do with fewer."""
        if self.rows is None or self.rows <= 2 * FEW + 1:
            return self
        try:
            few = self.on_rows(slice(0, 2 * FEW + 1))
            few.scalar(x)
        except Exception:  # the module's own, as from view(64, -1): with all rows it is passed on
            return self
        return few

    def _fitting_rows(self, few: ModuleObjective, x: Tensor) -> int:
        """How many rows fit the bytes that graphs may keep; all of them where that is not known."""
        rows, limit = self.rows or 0, GRAPH_BYTES if x.device.type == "cpu" else GRAPH_BYTES_ACCELERATOR
        if few is self:
            return rows
        once, twice = (graph_bytes(ModulePoint(self.on_rows(slice(0, k * FEW)), x)) for k in (1, 2))
        a_row = (twice - once) / FEW
        return rows if a_row * rows <= limit else max(1, int(limit / a_row))

    def _divide(self, x: Tensor, size: int) -> None:
        """Make the chunks, where there is more than one. ValueError for a loss that is no mean or sum over rows."""
        rows = self.rows or 0
        if size >= rows:
            return
        mean = rows >= 3 and reduction(lambda part: self.on_rows(part).scalar(x), min(rows, SAMPLE)) == "mean"
        slices = [slice(begin, min(begin + size, rows)) for begin in range(0, rows, size)]
        weights = [(part.stop - part.start) / rows if mean else 1.0 for part in slices]
        self.parts = [
            (weight, self.on_rows(part, self.l2 / sum(weights))) for weight, part in zip(weights, slices, strict=True)
        ]
