"""scikit-learn's logistic regression."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from .base import FLOATS, MOST, Claim, Fit, logistic, only, require, rows_and_labels


@dataclass(frozen=True)
class ScikitLearn:
    """LogisticRegression(solver=...), which minimises C sum_i loss_i + 1/2 ||w||^2: ours over l2, so C = scale / l2.

    C-ordered or CSR data. The tolerance is `tol`. What it warns of (iterations used up, a fall back to another solver)
    is the message.
    """

    general: ClassVar[bool] = False

    solver: str
    iterations: int = MOST
    dtypes: tuple[str, ...] = FLOATS

    @property
    def needs(self) -> str:
        return "hessian" if self.solver == "newton-cholesky" else "gradient"

    def prepare(self, objective: Any, start: Tensor | None = None) -> Fit:
        linear_model = require("sklearn.linear_model", "scikit-learn")
        name = f"scikit-learn's {self.solver}"
        f = logistic(objective, start, name)
        X, y = rows_and_labels(f)
        only(f.binary and not f.one_class, name, "takes labels 0 and 1, both of them")
        if self.solver == "liblinear":
            only(not f.fit_intercept, name, "penalises the intercept")
            only(f.l2 > 0, name, "needs a penalty")

        def fit(tolerance: float) -> Claim:
            model = linear_model.LogisticRegression(
                C=f.scale / f.l2 if f.l2 else math.inf,
                fit_intercept=f.fit_intercept,
                solver=self.solver,
                tol=tolerance,
                max_iter=self.iterations,
            )
            with warnings.catch_warnings(record=True) as remarks:
                warnings.simplefilter("always")
                model.fit(X, y)
            w = torch.as_tensor(model.coef_[0], dtype=torch.float64)
            if f.fit_intercept:
                w = torch.cat([w, torch.as_tensor(model.intercept_, dtype=torch.float64)])
            message = str(remarks[0].message).splitlines()[0] if remarks else ""
            return Claim(w, int(model.n_iter_[0]), not remarks, message)

        return fit
