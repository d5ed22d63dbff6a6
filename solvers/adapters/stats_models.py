"""statsmodels: maximum likelihood without a penalty."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..linalg.kernels import is_sparse
from ..objectives import LogisticRegression, SoftmaxRegression
from .base import MAX_ITERATIONS, Claim, Fit, logistic, require, require_that, rows_and_labels, softmax


@dataclass(frozen=True)
class StatsModels:
    """Logit and MNLogit by Newton's method, and GLM by iteratively reweighted least squares, all without a penalty.

    MNLogit is softmax regression whose first class has the weights 0, which loses nothing where there is no penalty.
    Dense data in float64, the only precision it has. The tolerance is `tol`, of the coefficients (newton) or of the
    deviance (irls). No model takes a penalty (fit_regularized has others), so only objectives with l2 = 0 can be
    expressed; Logit takes labels 0 and 1, GLM shares in between, too. An intercept is a column of ones. `fit` computes
    covariances at its end, which is part of its time.
    """

    takes_any_objective: ClassVar[bool] = False
    needs: ClassVar[str] = "hessian"

    method: str
    iterations: int = MAX_ITERATIONS
    dtypes: tuple[str, ...] = ("float64",)

    def prepare(self, objective: Any, start: Tensor | None = None) -> Fit:
        models = require("statsmodels.api", "statsmodels")
        name = f"statsmodels' {self.method}"
        f: LogisticRegression | SoftmaxRegression
        if isinstance(objective, SoftmaxRegression) and self.method == "newton":
            f = softmax(objective, start, name)
        else:
            f = logistic(objective, start, name)
            require_that(f.binary or self.method == "irls", name, "takes labels 0 and 1")
        require_that(f.l2 == 0, name, "takes no penalty")
        require_that(not is_sparse(f.X), name, "takes dense data")
        X, y = rows_and_labels(f)
        if f.fit_intercept:
            X = models.add_constant(X, prepend=False, has_constant="add")
        multinomial = isinstance(f, SoftmaxRegression)
        first = X.shape[1] if multinomial else 0  # weights of the first class, which are not fitted

        def fit(tolerance: float) -> Claim:
            zeros = f.zeros()[: f.size - first].numpy()
            with warnings.catch_warnings(record=True) as remarks:
                warnings.simplefilter("always")
                if self.method == "newton":
                    model = (models.MNLogit if multinomial else models.Logit)(y, X)
                    found = model.fit(zeros, method="newton", maxiter=self.iterations, tol=tolerance, disp=False)
                    iterations, success = found.mle_retvals["iterations"], found.mle_retvals["converged"]
                else:
                    model = models.GLM(y, X, family=models.families.Binomial())
                    found = model.fit(zeros, maxiter=self.iterations, method="IRLS", tol=tolerance)
                    iterations, success = found.fit_history["iteration"], found.converged
            message = str(remarks[0].message).splitlines()[0] if remarks else ""
            fitted = torch.as_tensor(found.params.T.reshape(-1))  # class by class; MNLogit has one column per class
            return Claim(torch.cat([fitted.new_zeros(first), fitted]), int(iterations), bool(success), message)

        return fit
