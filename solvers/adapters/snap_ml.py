"""Snap ML's logistic regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from .base import MAX_ITERATIONS, Claim, Fit, logistic, require, require_that, rows_and_labels


@dataclass(frozen=True)
class SnapML:
    """Dual coordinate descent on sum_i loss_i + regularizer/2 ||w||^2: ours over scale; dual=False is the primal.

    C-ordered or CSR data in float32, the only precision it has. The tolerance is `tol`, of the change of the
    coefficients. It runs as many jobs as torch may use threads. It does not say whether it converged: fewer
    iterations than allowed is taken for it.
    """

    takes_any_objective: ClassVar[bool] = False
    needs: ClassVar[str] = "gradient"

    dual: bool = True
    iterations: int = MAX_ITERATIONS
    dtypes: tuple[str, ...] = ("float32",)

    def prepare(self, objective: Any, start: Tensor | None = None) -> Fit:
        snapml = require("snapml", "Snap ML")
        f = logistic(objective, start, "Snap ML")
        require_that(f.binary and not f.one_class, "Snap ML", "takes labels 0 and 1, both of them")
        require_that(not f.fit_intercept, "Snap ML", "penalises the intercept")
        require_that(f.l2 > 0, "Snap ML", "needs a penalty")
        X, y = rows_and_labels(f)

        def fit(tolerance: float) -> Claim:
            model = snapml.LogisticRegression(
                regularizer=f.l2 / f.scale,
                dual=self.dual,
                tol=tolerance,
                max_iter=self.iterations,
                n_jobs=torch.get_num_threads(),
                random_state=0,
            )
            model.fit(X, y)
            w = torch.as_tensor(model.coef_.ravel(), dtype=torch.float64)
            return Claim(w, int(model.n_iter_), int(model.n_iter_) < self.iterations)

        return fit
