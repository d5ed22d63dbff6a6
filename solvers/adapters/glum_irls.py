"""glum's generalised linear models."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from .base import FLOATS, MAX_ITERATIONS, Claim, Fit, logistic, require, rows_and_labels


@dataclass(frozen=True)
class Glum:
    """Iteratively reweighted least squares on mean_i loss_i + alpha/2 ||w||^2: ours over n scale.

    Fortran-ordered or CSC data. The tolerance is `gradient_tol`, of max |g_i|.
    """

    takes_any_objective: ClassVar[bool] = False
    needs: ClassVar[str] = "hessian"

    solver: str = "irls-ls"
    iterations: int = MAX_ITERATIONS
    dtypes: tuple[str, ...] = FLOATS

    def prepare(self, objective: Any, start: Tensor | None = None) -> Fit:
        glum, np = require("glum", "glum"), require("numpy", "NumPy")
        f = logistic(objective, start, "glum")
        X, y = rows_and_labels(f)
        X = np.asfortranarray(X) if isinstance(X, np.ndarray) else X.tocsc()

        def fit(tolerance: float) -> Claim:
            model = glum.GeneralizedLinearRegressor(
                family="binomial",
                alpha=f.l2 / (f.scale * len(f.y)),
                fit_intercept=f.fit_intercept,
                solver=self.solver,
                gradient_tol=tolerance,
                max_iter=self.iterations,
                start_params=np.zeros(f.size, X.dtype),
            )
            with warnings.catch_warnings(record=True) as remarks:
                warnings.simplefilter("always")
                model.fit(X, y)
            w = torch.as_tensor(model.coef_, dtype=torch.float64)
            if f.fit_intercept:
                w = torch.cat([w, torch.tensor([model.intercept_], dtype=torch.float64)])
            message = str(remarks[0].message).splitlines()[0] if remarks else ""
            return Claim(w, int(model.n_iter_), not remarks, message)

        return fit
