"""pytorch-minimize: SciPy's optimisers and exact Newton, on tensors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from .base import FLOATS, MAX_ITERATIONS, Claim, Fit, require, starting_point
from .torch_lbfgs import import_compiler


@dataclass(frozen=True)
class PyTorchMinimize:
    """torchmin.minimize(method=...) on any objective of ours, with our derivatives in place of its autograd.

    It takes derivatives from any `Minimizer` that answers `closure` and `dir_evaluate`: ours computes the Hessian once
    a point and not once a column. The tolerance is `tol`: of the step (Newton methods) or of the gradient.
    """

    takes_any_objective: ClassVar[bool] = True

    method: str
    iterations: int = MAX_ITERATIONS
    dtypes: tuple[str, ...] = FLOATS

    @property
    def needs(self) -> str:
        return {"newton-cg": "hvp", "l-bfgs": "gradient"}.get(self.method, "hessian")

    def prepare(self, objective: Any, start: Tensor | None = None) -> Fit:
        torchmin = require("torchmin", "pytorch-minimize")
        wrapper = our_points()
        import_compiler()

        def fit(tolerance: float) -> Claim:
            with torch.no_grad():
                w = starting_point(objective, start)
                found = torchmin.minimize(
                    wrapper(objective, w, self.method), w, self.method, max_iter=self.iterations, tol=tolerance
                )
            return Claim(found.x.double(), int(found.nit), bool(found.success), str(found.message))

        return fit


@cache
def our_points() -> type:
    """The class of our objectives as the library expects its own wrapper of a function."""
    torchmin = require("torchmin", "pytorch-minimize")
    function = require("torchmin.function", "pytorch-minimize")
    operators = require("torchmin.optim.minimizer", "pytorch-minimize")

    class OurPoints(torchmin.Minimizer):
        def __init__(self, f: Any, w: Tensor, method: str) -> None:
            super().__init__([w.clone().requires_grad_()], method)
            self.f = f

        def closure(self, x):
            point = self.f.at(x)
            hessian = point.hessian if self._hess else None
            shape = (len(x), len(x))
            products = operators.LinearOperator(point.hvp, shape, x.dtype) if self._hessp else None
            return function.sf_value(f=point.value, grad=point.gradient, hessp=products, hess=hessian)

        def dir_evaluate(self, x, t, d):
            point = self.f.at(x + d.mul(t))
            return function.de_value(f=float(point.value), grad=point.gradient)

    return OurPoints
