"""Logistic regression by one CUDA graph a point: for problems so small that launching kernels takes the time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...common.cached import cached
from ...common.instrumentation import Ledger, count, current
from ...linalg.cholesky import Factor, unchecked_factor
from ...linalg.kernels import is_sparse
from .logistic import LogisticRegression
from .logistic_point import LogisticPoint, LogisticPointOnDevice

WIDEST = 512  # coefficients: beyond, the arithmetic takes longer than the launches
WARM_UP = 3  # runs before the capture: libraries allocate their workspaces in the first
COUNTED = ("values", "gradients", "hessians", "factorisations", "solves", "margins")


def recorded(work: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """The same work on the same memory, by one launch of a CUDA graph; on a CPU the work itself."""
    if device.type != "cuda":
        return work
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            work()
    torch.cuda.current_stream(device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


class CapturedLogisticRegression(LogisticRegression):
    """The same f. One launch gives f, gradient, Hessian, its Cholesky factor, the Newton direction and its margins.

    Some 40 kernels an iteration become one launch, two copies into it and one out of it, and the host reads once. Also
    a rejected trial pays for all of it. Time goes to the phase in which f is first asked for.
    Raises ValueError for a sparse X, for labels other than 0 and 1, and for more than 512 coefficients.
    """

    def __init__(
        self, X: Tensor, y: Tensor, l2: float = 0.0, fit_intercept: bool = False, reduction: str = "mean"
    ) -> None:
        super().__init__(X, y, l2, fit_intercept, reduction)
        if is_sparse(self.X) or not self.binary or self.size > WIDEST:
            raise ValueError(
                f"a CUDA graph is captured of a dense X with labels 0 and 1 and at most {WIDEST} coefficients: "
                "build a LogisticRegression"
            )
        self._point = CapturedPoint

    def at(self, x: Tensor) -> CapturedPoint:
        return self._point(self, x)

    @cached
    def captured(self) -> Captured:
        """Made in the first run, and again after `forget`, which drops the tensors that the graph reads."""
        with torch.inference_mode(False), torch.no_grad():
            return Captured(self)


class Captured:
    """The graph with its input and its output: one vector, of which a point takes a copy."""

    def __init__(self, f: CapturedLogisticRegression) -> None:
        self.f, d = f, f.size
        self.x, self.margins = f.zeros(), f.y.new_zeros(len(f.y))
        self.sizes = [4, d, d, d, len(f.y), d * d, d * d]
        self.out = self.x.new_zeros(sum(self.sizes))
        self.replay = recorded(self._work, self.x.device)

    def _work(self) -> None:
        token = current.set(Ledger())  # a launch counts for itself, and making the graph for nothing
        try:
            self._evaluate()
        finally:
            current.reset(token)

    def _evaluate(self) -> None:
        point = LogisticPoint(self.f, self.x, self.margins)
        found, info = unchecked_factor(point.hessian)
        direction = found.solve(point.gradient).neg_()
        scalars = [point.value, self.margins.min(), torch.dot(point.gradient, direction), info.to(self.x.dtype)]
        vectors = [torch.stack(scalars), point.gradient, direction, found.scale, self.f.margins(direction)]
        torch.cat([*vectors, point.hessian.flatten(), found.lower.flatten()], out=self.out)

    def at(self, x: Tensor, margins: Tensor) -> tuple[Tensor, ...]:
        """[f, least margin, slope, info], gradient, direction, scale, its margins, Hessian and factor, the last two
        flat: views of one new tensor."""
        self.x.copy_(x)
        self.margins.copy_(margins)
        self.replay()
        return self.out.clone().split(self.sizes)


class CapturedPoint(LogisticPointOnDevice):
    """f near w: what is asked for first launches the graph, which gives all of it."""

    @cached
    def value(self) -> Tensor:
        f, known = self.objective, self.__dict__
        scalars, gradient, direction, scale, moves, hessian, lower = f.captured.at(self.x, self.margins)
        for name in COUNTED[1:]:  # `value` is counted as on any point
            count(name)
        value, least, slope, info = scalars.tolist()
        known |= {"float_value": value, "least_margin": least, "gradient": gradient}
        known["hessian"] = hessian.view(f.size, f.size)
        known["_newton_factor"] = None if info else Factor(lower.view(f.size, f.size), scale, 0.0)
        known["_newton_direction"] = None if info else direction
        known["_newton_slope"], known["newton_moves"] = slope, (direction, moves)
        return scalars[0]

    @cached
    def float_value(self) -> float:
        _ = self.value
        return self.__dict__["float_value"]
