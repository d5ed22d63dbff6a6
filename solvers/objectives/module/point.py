"""f near one x, for a module: the graphs of its outputs and its loss, and the products that follow from them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from ...common.cached import cached
from ...common.instrumentation import Ledger, current, timed
from ...linalg.kronecker import KroneckerFactors
from ..autograd import FEW, FunctionPoint, recording
from .layers import kronecker_factors

NOT_CONVEX = (
    "this loss is not known to be convex in the outputs, so that there is no Gauss-Newton matrix: pass "
    "convex_loss=True if it is, or take a method that uses the Hessian, such as newton-cg or trust-region-steihaug"
)
ASYMMETRIC = (
    "torch's second derivatives of this module are not symmetric, and so wrong (torch.nn.utils' weight_norm is a known "
    "case): write that operation in others, or take a method of gradients with Stop(gap_tolerance=None, "
    "gradient_tolerance=...)"
)
TOO_LARGE = (
    "a matrix of {0} x {0} weights takes {1:.3g} GiB, and the device has {2:.3g}: take a solver that needs products "
    "alone, such as newton-cg, trust-region-steihaug, kfac or lbfgs"
)


class Linearised(NamedTuple):
    """The graphs that a Gauss-Newton product goes through.

    outputs: the tensors that the module returned. pulled: J^T u, (d,), a linear function of `u`. slopes: the
    derivatives of the loss in `free`, copies of the outputs.
    """

    outputs: list[Tensor]
    u: list[Tensor]
    pulled: Tensor
    free: list[Tensor]
    slopes: tuple[Tensor, ...]


class ModulePoint(FunctionPoint):
    """f near x over all rows at once. The gradient alone keeps no graph of its own: products make it when asked."""

    objective: Any  # a ModuleObjective, whose module imports this one

    @cached
    def recorded_outputs(self) -> Any:
        """What the module returned, with its graph."""
        return self.recorded(self.objective.outputs)

    @cached
    def recorded_value(self) -> Tensor:
        f, outputs = self.objective, self.recorded_outputs
        with recording():
            value = f.scalar_of(outputs)
            return value + f.l2 / 2 * torch.dot(self.leaf, self.leaf) if f.l2 else value

    @cached
    def recorded_gradient(self) -> Tensor:
        if self.objective.asymmetric:
            raise RuntimeError(ASYMMETRIC)
        return self.differentiated(create_graph=True)

    @cached
    def gradient(self) -> Tensor:
        if "recorded_gradient" in self.__dict__:
            return self.recorded_gradient.detach().contiguous()
        return self.differentiated(create_graph=False).contiguous()

    @cached
    def hessian(self) -> Tensor:
        require_memory(self.x)
        return self.jacobian_of(self.recorded_gradient)

    @property
    def no_gauss_newton(self) -> str:
        return "" if self.objective.convex_loss else NOT_CONVEX

    @property
    def no_factors(self) -> str:
        layers = self.objective.layers
        return self.no_gauss_newton or (layers if isinstance(layers, str) else "")

    @cached
    def linearised(self) -> Linearised:
        leaves, spec = tree_flatten(self.recorded_outputs)
        places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor) and leaf.requires_grad]
        with recording():
            outputs = [leaves[i] for i in places]
            u = [torch.zeros_like(output, requires_grad=True) for output in outputs]
            (pulled,) = torch.autograd.grad(
                outputs, self.leaf, u, retain_graph=True, create_graph=True, materialize_grads=True
            )
            free = [output.detach().clone().requires_grad_() for output in outputs]
            for i, output in zip(places, free, strict=True):
                leaves[i] = output
            loss = self.objective.scalar_of(tree_unflatten(leaves, spec))
            slopes = torch.autograd.grad(loss, free, create_graph=True, materialize_grads=True)
        return Linearised(outputs, u, pulled, free, slopes)

    @timed("hessian", "gauss_newton_products")
    def gnvp(self, v: Tensor) -> Tensor:
        """(J^T C J + l2 I) v, (d,), with J = d outputs / dx and C the Hessian of the loss in the outputs."""
        return self._gauss_newton_product(v)

    def _gauss_newton_product(self, v: Tensor) -> Tensor:
        """Of one vector (d,), or of the rows of a stack (k, d)."""
        graph, stack = self.linearised, v.dim() == 2
        with recording():
            v = v.detach().clone()
            tangents = backward([graph.pulled], graph.u, [v], stack)
            curved = backward(graph.slopes, graph.free, tangents, stack)
            (product,) = backward(graph.outputs, [self.leaf], curved, stack)
        return torch.add(product, v, alpha=self.objective.l2)

    @cached
    def gauss_newton(self) -> Tensor | None:
        """J^T C J + l2 I, (d, d), from products with the columns of I; None where the loss is not known as convex."""
        if not self.objective.convex_loss:
            return None
        require_memory(self.x)
        d, rows = len(self.x), self._rows_at_once()
        eye = torch.eye(d, dtype=self.x.dtype, device=self.x.device)
        if d > FEW:
            try:
                return torch.cat([self._gauss_newton_product(part) for part in eye.split(min(rows, d))])
            except RuntimeError:  # an operation whose backward pass knows no batches
                pass
        return torch.stack([self._gauss_newton_product(v) for v in eye])

    @cached
    def kronecker_factors(self) -> KroneckerFactors:
        f, layers = self.objective, self.objective.layers
        if isinstance(layers, str):
            raise ValueError(layers)
        with recording():
            found = kronecker_factors(f, self.leaf, layers)
        return KroneckerFactors(found, f.l2, layers.order)


class ChunkedPoint(ModulePoint):
    """f near x as a weighted sum over chunks of rows, one after the other: each is computed anew and keeps nothing."""

    def total(self, read: Callable[[ModulePoint], Tensor]) -> Tensor:
        """The weighted sum of something over the chunks, which are not counted as evaluations of their own."""
        token = current.set(Ledger())
        try:
            terms = (weight * read(part.at(self.x)) for weight, part in self.objective.parts)
            result = next(terms)
            for term in terms:
                result = result + term
            return result
        finally:
            current.reset(token)

    @cached
    def value(self) -> Tensor:
        return self.total(lambda part: part.value)

    @cached
    def gradient(self) -> Tensor:
        return self.total(lambda part: part.gradient)

    @cached
    def hessian(self) -> Tensor:
        require_memory(self.x)
        return self.total(lambda part: part.hessian)

    def hvp(self, v: Tensor) -> Tensor:
        return self.total(lambda part: part.hvp(v))

    def _gauss_newton_product(self, v: Tensor) -> Tensor:
        return self.total(lambda part: part._gauss_newton_product(v))

    @cached
    def gauss_newton(self) -> Tensor | None:
        return self.total(lambda part: part.gauss_newton) if self.objective.convex_loss else None

    @cached
    def kronecker_factors(self) -> KroneckerFactors:
        """The means of the left sides over all rows, and the sums of the right ones."""
        found, rows, token = [], self.objective.rows, current.set(Ledger())
        try:
            for weight, part in self.objective.parts:
                one, share = part.at(self.x).kronecker_factors, part.rows / rows
                scaled = [(share * left, weight * right) for left, right in one.layers]
                found = [(a + c, b + d) for (a, b), (c, d) in zip(found, scaled, strict=True)] if found else scaled
        finally:
            current.reset(token)
        return KroneckerFactors(found, self.objective.l2, one.order)


def backward(
    outputs: list[Tensor] | tuple[Tensor, ...], inputs: list[Tensor], vectors: list[Tensor], stack: bool
) -> list[Tensor]:
    """The vector-Jacobian products of some graphs, of one vector each or of a stack of them; they stay."""
    known = [(output, v) for output, v in zip(outputs, vectors, strict=True) if output.requires_grad]
    if not known:
        shape = vectors[0].shape[:1] if stack else ()
        return [part.new_zeros((*shape, *part.shape)) for part in inputs]
    roots, seeds = zip(*known, strict=True)
    return list(
        torch.autograd.grad(roots, inputs, seeds, retain_graph=True, is_grads_batched=stack, materialize_grads=True)
    )


def require_memory(x: Tensor) -> None:
    """MemoryError where a (d, d) matrix does not fit the memory there is."""
    if x.device.type == "cuda":
        there = torch.cuda.mem_get_info(x.device)[1]
    elif x.device.type == "cpu" and hasattr(os, "sysconf"):
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    else:
        return
    needed = len(x) ** 2 * x.element_size()
    if needed > there:
        raise MemoryError(TOO_LARGE.format(len(x), needed / 2**30, there / 2**30))
