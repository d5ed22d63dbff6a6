"""A torch.nn.Module and its loss over rows that lie in several processes."""

from __future__ import annotations

import copy
import zlib
from typing import Any

import torch
from torch import Tensor

from ..common.cached import cached
from ..common.instrumentation import timed
from ..linalg.kronecker import KroneckerFactors
from ..objectives.module.losses import reduction
from ..objectives.module.objective import SAMPLE, ModuleObjective
from ..objectives.module.point import ModulePoint
from .sharded import ShardedObjective, ShardedPoint, alone


class ShardedModule(ShardedObjective, of=ModuleObjective):
    """A ModuleObjective over the rows of all processes: see ShardedObjective.

    As over chunks of rows, f is the weighted sum of the parts: of a mean each counts by its rows, and the penalty is
    divided so that it counts once. A run starts from the weights that the first process's module has.
    ValueError for a loss that is neither a mean nor a sum over rows, or where the modules differ.
    """

    def __init__(self, local: ModuleObjective, group: Any = None, *, checked: bool = False) -> None:
        super().__init__(local, group, checked=checked)
        self.l2, self.convex_loss, self.size, self.dtype = local.l2, local.convex_loss, local.size, local.dtype
        for name in ("size", "l2", "convex_loss", "names"):
            self.agree(name, getattr(local, name))
        self.agree("checksums of buffers and frozen parameters", _checksum(local))
        self.reduction = self._reduction()
        (self.n, asymmetric) = self.group.total(local.rows or 0, local.asymmetric)
        self.weight = local.rows / self.n if self.reduction == "mean" else 1.0
        (weights,) = self.group.total(self.weight)
        self.part = copy.copy(local)  # whose weighted sum has the penalty once
        self.part.l2, self.part.asymmetric = self.l2 / weights, asymmetric > 0
        whole = sum(weight for weight, _ in local.parts)
        self.part.parts = [(weight, part.on_rows(slice(None), self.part.l2 / whole)) for weight, part in local.parts]

    def _reduction(self) -> str:
        """That of the loss, by the rows of those processes that have enough; the same error in all of them."""
        local, found = self.local, ""
        if local.rows is None:
            found = "all tensors of inputs and targets must share their first dimension, the rows"
        elif local.rows >= 3:
            try:
                x = local.start()
                found = reduction(lambda part: local.on_rows(part).scalar(x), min(local.rows, SAMPLE))
            except ValueError as error:
                found = str(error)
        kinds = {kind for kind in self.group.gather(found) if kind}
        if not kinds <= {"mean", "sum"} or len(kinds) != 1:
            wrong = sorted(kinds - {"mean", "sum"})
            raise ValueError(
                wrong[0] if wrong else "the loss is a mean over rows in some processes, and a sum in others"
            )
        return kinds.pop()

    def start(self) -> Tensor:
        """The weights that the first process's module has now, (d,)."""
        own = self.local.start()
        return self.group.sum(own if self.group.rank == 0 else torch.zeros_like(own))[0]

    def parameters(self, x: Tensor) -> dict[str, Tensor]:
        """The weights in x (d,) by name, as views."""
        return self.local.parameters(x)

    def load(self, result: Any) -> None:
        """Write the weights of a Result, or of x (d,), into this process's module."""
        self.local.load(result)

    def at(self, x: Tensor) -> ShardedModulePoint:
        return ShardedModulePoint(self, x, self.part.at(x))


def _checksum(local: ModuleObjective) -> int:
    found, trained = 0, set(local.names)
    named = [*local.module.named_buffers(), *local.module.named_parameters()]
    for tensor in (tensor for name, tensor in named if name not in trained):
        found = zlib.crc32(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes(), found)
    return found


class ShardedModulePoint(ShardedPoint):
    """f near x, each process with the graphs of its rows."""

    objective: ShardedModule
    local: ModulePoint

    @property
    def no_gauss_newton(self) -> str:
        return self.local.no_gauss_newton

    @property
    def no_factors(self) -> str:
        return self.local.no_factors

    @timed("hessian", "gauss_newton_products")
    def gnvp(self, v: Tensor) -> Tensor:
        return self._sum(lambda local: local.gnvp(v))

    @cached
    def gauss_newton(self) -> Tensor | None:
        return self._triangle(lambda: self.local.gauss_newton) if self.objective.convex_loss else None

    @cached
    def kronecker_factors(self) -> KroneckerFactors:
        """As over chunks: the means of the left sides over all rows, and the sums of the right ones."""
        f = self.objective
        with alone():
            found = self.local.kronecker_factors
        share = (f.local.rows or 0) / f.n
        sums = f.group.sum(*(side for left, right in found.layers for side in (share * left, f.weight * right)))
        return KroneckerFactors(list(zip(sums[::2], sums[1::2], strict=True)), f.l2, found.order)
