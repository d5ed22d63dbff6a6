"""Optimistix's minimisers on logistic or softmax regression written in JAX, compiled as a user of JAX would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..linalg.kernels import is_sparse
from ..objectives import SoftmaxRegression
from .base import FLOATS, MAX_ITERATIONS, Claim, Fit, logistic, require, require_that, rows_and_labels, softmax


@dataclass(frozen=True)
class Optimistix:
    """optimistix.minimise(solver=LBFGS or BFGS): the whole loop is one function, compiled by XLA for X and y.

    Dense rows. The compilation comes before a clock starts. The tolerance is `rtol` and
    `atol`, of the changes of w and f. XLA takes the threads that it likes: it cannot be told how many torch may use.
    """

    takes_any_objective: ClassVar[bool] = False

    method: str
    iterations: int = MAX_ITERATIONS
    dtypes: tuple[str, ...] = FLOATS

    @property
    def needs(self) -> str:
        return "hessian" if self.method == "BFGS" else "gradient"  # its inverse is a matrix

    def prepare(self, objective: Any, start: Tensor | None = None) -> Fit:
        jax, optimistix = require("jax", "JAX"), require("optimistix", "Optimistix")
        name = f"Optimistix's {self.method}"
        multinomial = isinstance(objective, SoftmaxRegression)
        f: Any = softmax(objective, start, name) if multinomial else logistic(objective, start, name)
        require_that(multinomial or f.binary, name, "takes labels 0 and 1")
        require_that(not is_sparse(f.X), name, "takes dense rows")
        loss = _loss(jax, f.classes if multinomial else 1, f.fit_intercept)
        X, y = rows_and_labels(f)
        double = f.X.dtype == torch.float64  # where JAX may hold them, Optimistix's L-BFGS mixes in float64 numbers

        def run(X: Any, y: Any, l2: Any, scale: Any, tolerance: Any) -> tuple[Any, Any, Any]:
            solver = getattr(optimistix, self.method)(rtol=tolerance, atol=tolerance)
            start = jax.numpy.zeros(f.size, X.dtype)
            found = optimistix.minimise(loss, solver, start, (X, y, l2, scale), max_steps=self.iterations, throw=False)
            return found.value, found.stats["num_steps"], found.result == optimistix.RESULTS.successful

        real = X.dtype.type
        with jax.enable_x64(double):
            X, y = jax.numpy.asarray(X), jax.numpy.asarray(y)
            compiled = jax.jit(run).lower(X, y, real(f.l2), real(f.scale), real(1.0)).compile()

        def fit(tolerance: float) -> Claim:
            with jax.enable_x64(double):
                w, steps, success = compiled(X, y, real(f.l2), real(f.scale), real(tolerance))
            return Claim(torch.from_numpy(jax.device_get(w).astype("float64")), int(steps), bool(success))

        return fit


def _loss(jax: Any, classes: int, fit_intercept: bool) -> Callable[[Any, Any], Any]:
    """f(w) = scale sum_i loss_i + l2/2 ||w||^2 without the intercepts; w is flat, class by class."""
    np = jax.numpy

    def loss(w: Any, data: Any) -> Any:
        X, y, l2, scale = data
        W = w.reshape(classes, -1)
        weights = W[:, :-1] if fit_intercept else W
        Z = X @ weights.T + (W[:, -1] if fit_intercept else 0)
        if classes == 1:
            losses = np.logaddexp(0, Z[:, 0]) - y * Z[:, 0]
        else:
            losses = jax.nn.logsumexp(Z, axis=1) - np.take_along_axis(Z, y[:, None], axis=1)[:, 0]
        return scale * losses.sum() + l2 / 2 * (weights * weights).sum()

    return loss
