"""pytorch-minimize: SciPy's optimisers and exact Newton, on tensors."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..objectives import LogisticRegression
from .base import FLOATS, MOST, Claim, Fit, rebuilt, require


@dataclass(frozen=True)
class PyTorchMinimize:
    """torchmin.minimize on our objective in closed form, in place of the autograd it would use.

    It takes derivatives from any `Minimizer` that answers `closure` and `dir_evaluate`: ours computes the Hessian once
    a point and not once a column. The tolerance is `tol`: of the step (Newton methods) or of the gradient.
    """

    method: str
    iterations: int = MOST
    dtypes: tuple[str, ...] = FLOATS

    def prepare(self, objective: LogisticRegression) -> Fit:
        torchmin = require("torchmin", "pytorch-minimize")
        function = require("torchmin.function", "pytorch-minimize")
        operators = require("torchmin.optim.minimizer", "pytorch-minimize")

        class ClosedForm(torchmin.Minimizer):
            """Our objective where the library expects its own wrapper of a function."""

            def __init__(self, f: LogisticRegression, method: str) -> None:
                super().__init__([f.zeros().requires_grad_()], method)
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

        def fit(tolerance: float) -> Claim:
            f = rebuilt(objective)
            with torch.no_grad():
                found = torchmin.minimize(
                    ClosedForm(f, self.method), f.zeros(), self.method, max_iter=self.iterations, tol=tolerance
                )
            return Claim(found.x.double(), int(found.nit), bool(found.success), str(found.message))

        return fit
