"""SciPy's optimisers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..objectives import Objective, Point
from .base import FLOATS, MAX_ITERATIONS, Claim, Fit, require, starting_point

HESSIAN = ("trust-exact", "dogleg")  # what a method asks for, beside the value and the gradient
PRODUCTS = ("Newton-CG", "trust-ncg", "trust-krylov")
METHODS = ("trust-exact", "trust-krylov", "trust-ncg", "dogleg", "Newton-CG", "L-BFGS-B", "BFGS")
TRIALS = 20  # evaluations of a line search at most: maxls of L-BFGS-B


@dataclass(frozen=True)
class SciPy:
    """scipy.optimize.minimize(method=...) on any objective of ours.

    It is given value and gradient together, and the Hessian or products with it as the method asks, of the point that
    was evaluated last.
    SciPy itself works in float64; the objective in the dtype of its data. The tolerance is `tol`, which each method
    takes for its own: of the gradient, of the step (Newton-CG), of the value and the gradient (L-BFGS-B).
    """

    takes_any_objective: ClassVar[bool] = True

    method: str
    iterations: int = MAX_ITERATIONS
    dtypes: tuple[str, ...] = FLOATS

    @property
    def needs(self) -> str:
        if self.method in (*HESSIAN, "BFGS"):  # which keeps an inverse of that size
            return "hessian"
        return "hvp" if self.method in PRODUCTS else "gradient"

    def prepare(self, objective: Any, start: Tensor | None = None) -> Fit:
        require("scipy.optimize", "SciPy")
        closed_form = getattr(objective, "closed_form", False)  # autograd does not work in inference mode

        def fit(tolerance: float) -> Claim:
            f = Evaluations(objective, starting_point(objective, start))
            with torch.inference_mode(closed_form):
                return minimised(
                    f.value_and_gradient, f.start, self.method, self.iterations, tolerance, f.hessian, f.product
                )

        return fit


def minimised(
    value_and_gradient: Callable[..., Any],
    start: Any,
    method: str,
    iterations: int,
    tolerance: float,
    hessian: Callable[..., Any],
    product: Callable[..., Any],
) -> Claim:
    """scipy.optimize.minimize with the derivatives that the method asks for."""
    options = {"maxiter": iterations}
    if method == "L-BFGS-B":
        options["maxfun"] = 1 + TRIALS * iterations  # so that the iterations are what is limited
    derivatives: dict[str, Any] = {"jac": True}
    if method in HESSIAN:
        derivatives["hess"] = hessian
    elif method in PRODUCTS:
        derivatives["hessp"] = product
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = require("scipy.optimize", "SciPy").minimize(
            value_and_gradient, start, method=method, tol=tolerance, options=options, **derivatives
        )
    return Claim(torch.tensor(found.x, dtype=torch.float64), int(found.nit), bool(found.success), str(found.message))


class Evaluations:
    """An objective as functions of NumPy vectors in float64; those of one x share a Point."""

    def __init__(self, objective: Objective, start: Tensor) -> None:
        self.objective, self.dtype = objective, start.dtype
        self.start = start.double().numpy()
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
