"""What is known about a problem before anyone races on it: is there a minimiser, and where is its value?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from solvers import CholeskyNewton, Stop, minimize
from solvers.linear_algebra import factor
from solvers.objectives import LogisticRegression, Point

from .problems import Problem, build

SEPARABLE, QUASI, OVERLAPPING = "separable", "quasi-separable", "overlapping"
SMALLEST = 1e-7  # of a maximum that is not rounding; HiGHS holds constraints to this
EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class Certificate:
    """Facts about a problem, computed in float64.

    classes: separable (some w has every row strictly on its side), quasi-separable (some w has no row on the wrong
        side and not all on the border) or overlapping. margin: the largest min_i (2 y_i - 1) z_i with |w|_inf <= 1.
    minimiser: whether f attains its infimum. Unpenalised, it does exactly for overlapping classes (Albert &
        Anderson 1984, Biometrika 71, p. 1).
    low, high: the infimum f* lies between them; bound: why.
    rank: of the rows, intercept included. condition: of the Hessian at the minimiser (at the start if none).
    diagonal_rate: lambda_max(D^-1 H) at the start, D = diag H: unit-step diagonal Newton is unstable above 2.
    """

    problem: str
    n: int
    d: int
    classes: str
    margin: float
    minimiser: bool
    low: float
    high: float
    bound: str
    rank: int
    condition: float
    diagonal_rate: float

    @property
    def optimum(self) -> float:
        """The middle of the interval."""
        return (self.low + self.high) / 2


def design(objective: LogisticRegression) -> Tensor:
    """X with the column of ones that an intercept stands for, dense float64 on the CPU, (n, d)."""
    X = objective.X.to_dense().double().cpu()
    return torch.cat([X, X.new_ones(len(X), 1)], dim=1) if objective.fit_intercept else X


def separation(X: Tensor, signs: Tensor) -> tuple[str, float]:
    """How w splits the classes, and the margin, by linear programs (HiGHS, through scipy.optimize.linprog).

    X (n, d), signs (n,) +-1. Separable if max t with s_i x_i w >= t, |w|_inf <= 1 is positive. If not,
    quasi-separable if max sum_i s_i x_i w with every term >= 0, |w|_inf <= 1 is. Neither answer depends on the units
    of a column or the length of a row, so both are asked of columns and rows scaled to largest entry 1. The margin is
    the first maximum for X as it is, 0 where the classes are not separable.
    """
    rows = (signs.unsqueeze(1) * X).numpy()  # (n, d)
    scaled = _unit(_unit(rows, axis=0), axis=1)
    if _margin(scaled) > SMALLEST:
        return SEPARABLE, _margin(rows)
    total = _maximum(scaled.sum(axis=0), scaled, np.zeros(len(scaled)))
    return (QUASI if total > SMALLEST * len(scaled) else OVERLAPPING), 0.0


def _unit(rows: np.ndarray, axis: int) -> np.ndarray:
    """Every column (axis 0) or row (axis 1) divided by its largest entry, those of zeros as they are."""
    largest = np.abs(rows).max(axis=axis, keepdims=True)
    return rows / np.where(largest > 0, largest, 1.0)


def _margin(rows: np.ndarray) -> float:
    """max t with rows w >= t, |w|_inf <= 1."""
    n, d = rows.shape
    free = [*[(-1, 1)] * d, (None, None)]
    return _maximum(np.r_[np.zeros(d), 1.0], np.c_[rows, -np.ones(n)], np.zeros(n), free)


def _maximum(gain: np.ndarray, rows: np.ndarray, least: np.ndarray, bounds: list | tuple = (-1, 1)) -> float:
    """max gain v with rows v >= least within the bounds."""
    from scipy.optimize import linprog

    program = linprog(-gain, A_ub=-rows, b_ub=-least, bounds=bounds)
    if not program.success:
        raise RuntimeError(f"a linear program for separation failed: {program.message}")
    return -program.fun


def self_concordant_gap(point: Point, X: Tensor) -> float:
    """An upper bound of f(w) - f*, infinite where it does not apply.

    Along any v, |f'''| <= max_i |x_i v| f'' <= c ||v||_H f'' with c = max_i ||x_i||_{H^-1}. Integrating twice and
    minimising over v gives, for u = c lambda < 1 with the Newton decrement lambda,
    f - f* <= lambda^2 (u + (1 - u) log(1 - u)) / u^2, which tends to lambda^2 / 2. This is the generalised
    self-concordance of Bach (2010, Electron. J. Stat. 4, p. 384) with R measured in the metric of the Hessian.
    It needs no penalty and allows a free intercept.
    """
    found = factor(point.hessian)
    if found is None:
        return math.inf
    whitened = torch.linalg.solve_triangular(found.lower, (X * found.scale).T, upper=False)  # (d, n)
    c = float(whitened.square().sum(0).max().sqrt())
    decrement = math.sqrt(max(float(torch.dot(point.gradient, found.solve(point.gradient))), 0.0))
    u = c * decrement
    if not u < 1:
        return math.inf
    shape = 0.5 + u / 6 if u < 1e-4 else (u + (1 - u) * math.log1p(-u)) / u**2
    return decrement**2 * shape * (1 + 1e-6)


def value_rounding(objective: LogisticRegression, point: Point, X: Tensor) -> float:
    """How far the computed f(w) may be from the true one: rounding in the margins, and in what is summed."""
    w = point.x.abs()
    reach = (X.shape[1] + 2) * EPS * (X.abs() @ w)  # (n,): the error of each margin
    slopes = point.residuals.abs()
    return float((slopes * reach).sum()) * objective.scale + 16 * EPS * float(point.value)


def certify(problem: Problem) -> Certificate:
    """The certificate of a float64 problem."""
    objective = problem.objective
    if not objective.binary:
        raise ValueError(f"{problem.name} has labels between 0 and 1: certificates are for labels 0 and 1 only")
    X = design(objective)
    classes, margin = separation(X, objective.signs)
    both = not objective.one_class
    if objective.l2 == 0:
        minimiser = classes == OVERLAPPING
    else:
        minimiser = both or not objective.fit_intercept
    start = objective.at(objective.zeros())
    n, d = X.shape
    if minimiser:
        result = minimize(CholeskyNewton(), objective, stop=Stop(gap_tolerance=0.0))
        end = objective.at(result.x)
        gap, bound = self_concordant_gap(end, X), "generalised self-concordance"
        if objective.l2 > 0 and not objective.fit_intercept:
            strong = float(torch.dot(end.gradient, end.gradient)) / (2 * objective.l2)
            if strong < gap:
                gap, bound = strong, "strong convexity, ||g||^2 / (2 l2)"
        rounding = value_rounding(objective, end, X)
        low, high = float(end.value) - gap - rounding, float(end.value) + rounding
    else:
        end, low, high = start, 0.0, 0.0
        bound = "the loss tends to 0 along a separating direction"
        if classes != SEPARABLE:
            low, high, bound = 0.0, float(start.value), "between 0 and f(0): not attained"
    root = start.hessian_diagonal.rsqrt()
    rate = float(torch.linalg.eigvalsh(start.hessian * torch.outer(root, root)).max())
    return Certificate(
        problem=problem.name,
        n=n,
        d=d,
        classes=classes,
        margin=margin,
        minimiser=minimiser,
        low=low,
        high=high,
        bound=bound,
        rank=int(torch.linalg.matrix_rank(X)),
        condition=float(torch.linalg.cond(end.hessian)),
        diagonal_rate=rate,
    )


@lru_cache(maxsize=64)
def certificate(name: str) -> Certificate:
    """The certificate of a problem of PROBLEMS, computed once in this process."""
    return certify(build(name))
