"""Any scalar torch function as an objective, with derivatives by autograd over a graph cached on the point."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._pytree import tree_leaves

from ..common.cached import cached
from .base import Objective, Point
from .layout import Layout

# What the rows of one batched backward pass may take. On a CPU they stay in its cache, and in memory that is reused.
# (A Hessian of 961 weights over 398 rows took 0.12 s with 2^23 bytes, 0.17 s with 2^21 or 2^25, 0.50 s with 2^28.)
BATCH_BYTES = 1 << 23
BATCH_BYTES_ACCELERATOR = 1 << 28
_AS_IT_IS = nullcontext()
NEARBY = 2  # points at which rounding is measured where a derivative is as small as that
FEW = 4  # rows up to which one pass each is as fast as a batch, whose first use in a process imports SymPy (1.7 s)


def recording() -> AbstractContextManager[None]:
    """A context in which autograd records; one that does nothing where it does so anyway, as in most runs."""
    return _AS_IT_IS if torch.is_grad_enabled() and not torch.is_inference_mode_enabled() else _recording()


@contextmanager
def _recording() -> Iterator[None]:
    with torch.inference_mode(False), torch.enable_grad():
        yield


class FunctionObjective(Objective):
    """f: a function that returns a scalar tensor, written in torch operations.

    example: what f is a function of, a tensor of any shape or a tree of tensors (dict, tuple, list, nested). It is the
    default start, f is called with the same tree of other tensors, and `result.parameters` is one; x (d,) has its
    tensors one after the other. Without an example, f is a function of one flat tensor (d,) and there is no default
    start: pass x0 to `minimize`.

    What f raises is passed on. TypeError or ValueError where f is not a function, does not return a scalar, or returns
    one that does not depend on x through torch operations, and for an example that is no tree of tensors of one dtype
    on one device. Where only a part does not (detach, item, no_grad), autograd takes it for constant: `minimize` says
    `stalled`, and that the gradient does not match f, where the end of a run shows it.
    """

    by_autograd = True

    def __init__(self, f: Callable[..., Tensor], example: Any = None) -> None:
        if not callable(f):
            raise TypeError(f"f must be a function of one tensor, found {type(f).__name__}")
        self.f = f
        self.layout = None if example is None else Layout("example", example)
        self.example = None if self.layout is None else self.layout.join(tree_leaves(example))

    def start(self) -> Tensor | None:
        """The example as one vector, (d,)."""
        return None if self.example is None else self.example.clone()

    def parameters(self, x: Tensor) -> Any:
        """x (d,) in the shape of the example: a tree of views."""
        return x if self.layout is None else self.layout.split(x)

    def at(self, x: Tensor) -> FunctionPoint:
        if self.layout is not None:
            self.layout.check(x)
        return FunctionPoint(self, x)

    def scalar(self, x: Tensor) -> Tensor:
        """f(x), or a TypeError if that is no scalar."""
        return scalar("f", self.f(self.parameters(x)))


def scalar(name: str, value: Any) -> Tensor:
    """The value that a function of that name returned, or a TypeError if it is no real scalar tensor."""
    if not isinstance(value, Tensor) or value.ndim != 0:
        found = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} must return a scalar tensor, found {found}: end it with .sum() or .mean()")
    if value.is_complex():
        raise TypeError(f"{name} must return a real number, found {value.dtype}: take .real or .abs()")
    return value


class MeasuredPoint(Point):
    """A point whose derivatives are rounded in ways that are not known: that is measured at points near by."""

    @cached
    def nearby(self) -> list[Point]:
        """Points some rounding units of x away: the change of a derivative between them bounds its rounding error."""
        generator = torch.Generator().manual_seed(0)
        signs = torch.randint(2, (NEARBY, len(self.x)), generator=generator).to(self.x) * 2 - 1
        unit = 4 * torch.finfo(self.x.dtype).eps
        return [self.objective.at(torch.addcmul(self.x, self.x, sign, value=unit)) for sign in signs.unbind()]

    def curvature_noise(self, v: Tensor) -> float:
        here = float(torch.dot(v, self.hvp(v)))
        changes = [abs(float(torch.dot(v, there.hvp(v))) - here) for there in self.nearby]
        return max(super().curvature_noise(v), *changes)

    def slope_noise(self, v: Tensor) -> float:
        changes = [abs(float(torch.dot(v, there.gradient - self.gradient))) for there in self.nearby]
        return max(super().slope_noise(v), *changes)


class FunctionPoint(MeasuredPoint):
    """Derivatives in reverse over reverse mode, which needs of f no more than its gradient does.

    The graphs of f and of its gradient are cached on the point, so that the gradient costs no second evaluation of f,
    and a product H v = d(g^T v)/dx one backward pass.
    """

    objective: FunctionObjective

    def __getstate__(self) -> dict[str, Any]:
        """Without the graphs, which are recorded again where they are needed."""
        graph = ("leaf", "nearby")
        return {
            name: value
            for name, value in self.__dict__.items()
            if name not in graph and not name.startswith("recorded_")
        }

    @cached
    def leaf(self) -> Tensor:
        """x, (d,), as the variable of the graphs. Outside inference mode, in which nothing is recorded."""
        with torch.inference_mode(False):
            return self.x.detach().clone().requires_grad_()

    def recorded(self, function: Callable[[Tensor], Tensor]) -> Tensor:
        """function(x) with its graph. It is given a copy of x, for it may write to its argument."""
        with recording():
            return function(self.leaf.clone())

    def backward(self, output: Tensor, create_graph: bool = False) -> Tensor | None:
        """d output / dx, (d,), of a scalar with a graph; None where x is not in that."""
        with recording():
            return torch.autograd.grad(
                output, self.leaf, retain_graph=True, create_graph=create_graph, allow_unused=True
            )[0]

    @cached
    def recorded_value(self) -> Tensor:
        """f(x) with its graph."""
        return self.recorded(self.objective.scalar)

    @cached
    def recorded_gradient(self) -> Tensor:
        """g, (d,), with its graph."""
        return self.differentiated(create_graph=True)

    def differentiated(self, create_graph: bool) -> Tensor:
        """g, (d,); TypeError where autograd does not know how f(x) was computed from x."""
        value = self.recorded_value
        slope = self.backward(value, create_graph) if value.requires_grad else None
        if slope is None:
            raise TypeError(
                "f(x) does not depend on x through torch operations, so that it has no derivatives: compute it from x "
                "without torch.tensor(...), .item(), .detach(), .data and torch.no_grad()"
            )
        return slope

    @cached
    def value(self) -> Tensor:
        return self.recorded_value.detach()

    @cached
    def gradient(self) -> Tensor:
        return self.recorded_gradient.detach().contiguous()

    @cached
    def hessian(self) -> Tensor:
        return self.jacobian_of(self.recorded_gradient)

    def hvp(self, v: Tensor) -> Tensor:
        slope = self.recorded_gradient
        if not slope.requires_grad:
            return torch.zeros_like(v)
        with recording():
            # autograd.grad(slope, x, v) saves the product, and imports SymPy when first called (1.7 s)
            product = self.backward(torch.dot(slope, v.detach().clone()))
        return torch.zeros_like(v) if product is None else product.contiguous()

    def jacobian_of(self, outputs: Tensor) -> Tensor:
        """d outputs_i / d x_j, (m, d), of a vector with a graph, by batched backward passes."""
        m = len(outputs)
        if not outputs.requires_grad:
            return torch.zeros(m, len(self.leaf), dtype=self.leaf.dtype, device=self.leaf.device)
        if m > FEW:
            try:
                return self._batched(outputs, self._rows_at_once())
            except RuntimeError:  # an operation whose backward pass knows no batches, as a user's own may be
                pass
        rows = [self.backward(output) for output in outputs.unbind()]
        return torch.stack([torch.zeros_like(self.leaf) if row is None else row for row in rows])

    def _batched(self, outputs: Tensor, rows: int) -> Tensor:
        m, parts = len(outputs), []
        for first in range(0, m, rows):
            units = torch.zeros(min(rows, m - first), m, dtype=outputs.dtype, device=outputs.device)
            units.diagonal(first).fill_(1)
            (part,) = torch.autograd.grad(
                outputs, self.leaf, units, retain_graph=True, is_grads_batched=True, materialize_grads=True
            )
            parts.append(part)
        return torch.cat(parts)

    def _rows_at_once(self) -> int:
        """How many rows fit BATCH_BYTES if each takes what the graphs of f and its gradient keep; found once a size."""
        known = self.objective.__dict__.setdefault("_graph_bytes", {})
        if len(self.x) not in known:
            known[len(self.x)] = graph_bytes(type(self)(self.objective, self.x))
        limit = BATCH_BYTES if self.x.device.type == "cpu" else BATCH_BYTES_ACCELERATOR
        return max(1, limit // max(known[len(self.x)], 1))


def graph_bytes(point: FunctionPoint) -> int:
    """What the graphs of f and its gradient keep, in bytes, at a point that has not computed them yet."""
    kept_bytes: list[int] = []

    def note(saved: Tensor) -> Tensor:
        kept_bytes.append(saved.numel() * saved.element_size())
        return saved

    with saved_tensors_hooks(note, lambda saved: saved):
        point.recorded_gradient  # noqa: B018
    return sum(kept_bytes)
