"""scikit-learn's logistic regression, binary and multinomial."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..objectives import LogisticRegression, SoftmaxRegression
from .base import FLOATS, MAX_ITERATIONS, Claim, Fit, logistic, require, require_that, rows_and_labels, softmax


@dataclass(frozen=True)
class ScikitLearn:
    """LogisticRegression(solver=...), which minimises C sum_i loss_i + 1/2 ||w||^2: ours over l2, so C = scale / l2.

    Softmax regression likewise, but for liblinear. With two classes it fits the binary model: the rows of W are then
    -w/2 and w/2, whose penalty is l2/4 ||w||^2, so C = 2 scale / l2.
    C-ordered or CSR data. The tolerance is `tol`. What it warns of (iterations used up, a fall back to another solver)
    is the message.
    """

    takes_any_objective: ClassVar[bool] = False

    solver: str
    iterations: int = MAX_ITERATIONS
    dtypes: tuple[str, ...] = FLOATS

    @property
    def needs(self) -> str:
        return "hessian" if self.solver == "newton-cholesky" else "gradient"

    def prepare(self, objective: Any, start: Tensor | None = None) -> Fit:
        linear_model = require("sklearn.linear_model", "scikit-learn")
        name = f"scikit-learn's {self.solver}"
        f: LogisticRegression | SoftmaxRegression
        if isinstance(objective, SoftmaxRegression) and self.solver != "liblinear":
            f = softmax(objective, start, name)
            weight = f.l2 / 2 if f.classes == 2 else f.l2
        else:
            f = logistic(objective, start, name)
            require_that(f.binary and not f.one_class, name, "takes labels 0 and 1, both of them")
            weight = f.l2
        X, y = rows_and_labels(f)
        if self.solver == "liblinear":
            require_that(not f.fit_intercept, name, "penalises the intercept")
            require_that(f.l2 > 0, name, "needs a penalty")

        def fit(tolerance: float) -> Claim:
            model = linear_model.LogisticRegression(
                C=f.scale / weight if weight else math.inf,
                fit_intercept=f.fit_intercept,
                solver=self.solver,
                tol=tolerance,
                max_iter=self.iterations,
            )
            with warnings.catch_warnings(record=True) as remarks:
                warnings.simplefilter("always")
                model.fit(X, y)
            W = torch.as_tensor(model.coef_, dtype=torch.float64)  # (K, d), and (1, d) with two classes
            if f.fit_intercept:
                W = torch.cat([W, torch.as_tensor(model.intercept_, dtype=torch.float64).unsqueeze(1)], dim=1)
            if isinstance(f, SoftmaxRegression) and f.classes == 2:
                W = torch.cat([-W / 2, W / 2])
            w = W.flatten()
            message = str(remarks[0].message).splitlines()[0] if remarks else ""
            return Claim(w, int(max(model.n_iter_)), not remarks, message)

        return fit
