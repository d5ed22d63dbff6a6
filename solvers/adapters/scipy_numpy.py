"""SciPy's optimisers on an objective in NumPy, as a user of SciPy would call them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..objectives import SoftmaxRegression
from .base import FLOATS, MAX_ITERATIONS, Fit, logistic, require, require_that, rows_and_labels, softmax
from .numpy_objective import NumPyLogistic, NumPySoftmax
from .scipy_optimize import SciPy, minimised


@dataclass(frozen=True)
class SciPyNumPy:
    """scipy.optimize.minimize(method=...) on logistic or softmax regression written in NumPy (numpy_objective.py).

    X as a C-ordered array or a SciPy CSR matrix. The signs of the labels, a column of ones for an intercept, and the
    checks of its labels are part of a fit. The tolerance is `tol`, as of the peers `scipy:METHOD`, which are the same
    methods on our objective.
    """

    takes_any_objective: ClassVar[bool] = False

    method: str
    iterations: int = MAX_ITERATIONS
    dtypes: tuple[str, ...] = FLOATS

    @property
    def needs(self) -> str:
        return SciPy(self.method).needs

    def prepare(self, objective: Any, start: Any | None = None) -> Fit:
        require("scipy.optimize", "SciPy")
        name = f"{self.method} on NumPy"
        if multinomial := isinstance(objective, SoftmaxRegression):
            f: Any = softmax(objective, start, name)
        else:
            f = logistic(objective, start, name)
            require_that(f.binary, name, "takes labels 0 and 1")
        X, y = rows_and_labels(f)
        make, classes = (NumPySoftmax, f.classes) if multinomial else (NumPyLogistic, 1)

        def fit(tolerance: float) -> Any:
            written = make(X, y, f.l2, f.scale, f.fit_intercept, classes)
            zeros = written.np.zeros(len(written.penalty))
            return minimised(written, zeros, self.method, self.iterations, tolerance, written.hessian, written.product)

        return fit
