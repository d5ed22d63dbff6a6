"""SciPy's optimisers."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch

from ..objectives import LogisticRegression, Objective, Point
from .base import FLOATS, MOST, Claim, Fit, rebuilt, require

HESSIAN = ("trust-exact", "dogleg")  # what a method asks for, beside the value and the gradient
PRODUCTS = ("Newton-CG", "trust-ncg", "trust-krylov")


@dataclass(frozen=True)
class SciPy:
    """scipy.optimize.minimize with our objective in closed form: value and gradient together, and the Hessian or
    products with it as the method asks, at the point that was evaluated last.

    SciPy itself works in float64; the objective in the dtype of its data. The tolerance is `tol`, which each method
    takes for its own: of the gradient, of the step (Newton-CG), of the value and the gradient (L-BFGS-B).
    """

    method: str
    iterations: int = MOST
    dtypes: tuple[str, ...] = FLOATS

    def prepare(self, objective: LogisticRegression) -> Fit:
        optimize = require("scipy.optimize", "SciPy")

        def fit(tolerance: float) -> Claim:
            f = Evaluations(rebuilt(objective))
            options = {"maxiter": self.iterations}
            if self.method == "L-BFGS-B":
                options["maxfun"] = 2 * self.iterations
            derivatives: dict[str, Any] = {"jac": True}
            if self.method in HESSIAN:
                derivatives["hess"] = f.hessian
            elif self.method in PRODUCTS:
                derivatives["hessp"] = f.product
            with warnings.catch_warnings(), torch.inference_mode():
                warnings.simplefilter("ignore")
                found = optimize.minimize(
                    f.value_and_gradient, f.start, method=self.method, tol=tolerance, options=options, **derivatives
                )
            return Claim(torch.tensor(found.x, dtype=torch.float64), int(found.nit), bool(found.success), found.message)

        return fit


class Evaluations:
    """An objective as functions of NumPy vectors in float64; those of one x share a Point."""

    def __init__(self, objective: Objective) -> None:
        self.objective, zeros = objective, objective.zeros()
        self.dtype = zeros.dtype
        self.start = zeros.double().numpy()
        self.last: tuple[bytes, Point] | None = None

    def at(self, x: Any) -> Point:
        key = x.tobytes()
        if self.last is None or self.last[0] != key:
            self.last = key, self.objective.at(torch.tensor(x, dtype=self.dtype))
        return self.last[1]

    def value_and_gradient(self, x: Any) -> tuple[float, Any]:
        point = self.at(x)
        return float(point.value), point.gradient.double().numpy()

    def hessian(self, x: Any) -> Any:
        return self.at(x).hessian.double().numpy()

    def product(self, x: Any, v: Any) -> Any:
        return self.at(x).hvp(torch.tensor(v, dtype=self.dtype)).double().numpy()
