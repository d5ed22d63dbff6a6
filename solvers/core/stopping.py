"""When a run ends, and the names of the reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from ..common.validation import non_negative, optional, whole

try:
    from enum import StrEnum
except ImportError:  # Python 3.10, which a machine with a GPU may have

    class StrEnum(str, Enum):  # noqa: UP042
        __str__ = str.__str__


class Status(StrEnum):
    """The rule that ended a run."""

    CONVERGED = "converged"  # every test that is on was passed at result.x
    ITERATION_LIMIT = "iteration limit"
    TIME_LIMIT = "time limit"
    STALLED = "stalled"  # no representable progress, a saddle point, a search that failed, or a gradient that is wrong
    SINGULAR = "singular"  # the solver's linear system has no finite solution
    SEPARABLE = "separable"  # proved: no minimiser exists (classes separable, or a class without rows)
    DIVERGED = "diverged"  # a value or a derivative is not finite, or f is unbounded below, or x runs to infinity
    ERROR = "error"  # a foreign solver raised, or the objective lacks what the solver needs


def allowed_gap(gap_tolerance: float | None, value: float, initial_value: float, eps: float) -> float:
    """max(gap_tolerance, 4 eps) |f(x)| + eps^2 |f(x0)|: the largest gap with which a run converges; NaN for NaN."""
    return max(gap_tolerance or 0.0, 4 * eps) * abs(value) + eps**2 * abs(initial_value)


@dataclass(frozen=True)
class Stop:
    """When to stop. A test that is None is off; `converged` needs every test that is on, and at least one.

    gap_tolerance: half the exact squared Newton decrement, m = 1/2 g^T H^-1 g, the decrease that the quadratic
        model still promises, must satisfy m <= max(gap_tolerance, 4 eps) |f(x)| + eps^2 |f(x0)|, with eps the rounding
        unit of the dtype. Rescaling the variables or the loss changes nothing. For a convex f this bounds the gap to
        second order; for another it certifies a point where the Hessian is positive semidefinite, and no more.
    gradient_tolerance: max_i |g_i| <= gradient_tolerance.
    iterations, seconds: limits.
    stop_when_separable: end as soon as the objective proves that no minimiser exists. If False such a run goes on
        to its limits; its status is never `converged`.
    """

    gap_tolerance: float | None = 1e-10
    gradient_tolerance: float | None = None
    iterations: int = 1000
    seconds: float = math.inf
    stop_when_separable: bool = True

    def __post_init__(self) -> None:
        for name in ("gap_tolerance", "gradient_tolerance"):
            optional(non_negative)(name, getattr(self, name))
        whole("iterations", self.iterations, least=0)
        if self.seconds != math.inf:
            non_negative("seconds", self.seconds)

    @property
    def tests(self) -> bool:
        """Whether any test of convergence is on."""
        return self.gap_tolerance is not None or self.gradient_tolerance is not None
