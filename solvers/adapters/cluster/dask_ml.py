"""dask-ml's logistic regression, on the threads of this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...linalg.kernels import is_sparse
from ..base import MAX_ITERATIONS, Claim, Fit, logistic, require, require_that, rows_and_labels


@dataclass(frozen=True)
class DaskML:
    """L-BFGS of SciPy on sum_i loss_i + 1/(2 C) ||w||^2: ours over scale, without its `normalize`, which
    changes the penalty.

    Dense rows in float64, in a block for each thread that torch may use. The tolerance is SciPy's `pgtol`, of
    max |g_i|. It says nothing of how it ended, not even a warning: a returned model is taken for converged.
    """

    takes_any_objective: ClassVar[bool] = False
    needs: ClassVar[str] = "gradient"

    solver: str = "lbfgs"
    iterations: int = MAX_ITERATIONS
    dtypes: tuple[str, ...] = ("float64",)

    def prepare(self, objective: Any, start: Tensor | None = None) -> Fit:
        linear_model = require("dask_ml.linear_model", "dask-ml", "cluster")
        import dask

        f = logistic(objective, start, "dask-ml")
        require_that(f.binary and not f.one_class, "dask-ml", "takes labels 0 and 1, both of them")
        require_that(not f.fit_intercept, "dask-ml", "penalises the intercept")
        require_that(f.l2 > 0, "dask-ml", "needs a penalty")
        require_that(not is_sparse(f.X), "dask-ml", "takes dense rows")
        X, y = rows_and_labels(f)
        threads = torch.get_num_threads()
        rows = -(-len(y) // threads)
        X, y = dask.array.from_array(X, chunks=(rows, -1)), dask.array.from_array(y, chunks=rows)

        def fit(tolerance: float) -> Claim:
            model = linear_model.LogisticRegression(
                solver=self.solver,
                C=f.scale / f.l2,
                fit_intercept=False,
                tol=tolerance,
                max_iter=self.iterations,
                solver_kwargs={"normalize": False},
            )
            with dask.config.set(scheduler="threads", num_workers=threads):
                model.fit(X, y)
            return Claim(torch.as_tensor(model.coef_, dtype=torch.float64), None, True, "dask-ml says nothing")

        return fit
