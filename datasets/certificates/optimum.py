"""f* as an interval: a point near the minimiser, and bounds on the gap there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor

from solvers import SOLVERS, Result, Stop, minimize
from solvers.common.blocked_rows import BlockedRows
from solvers.linalg.cholesky import factor, rounding_shift
from solvers.linalg.kernels import row_blocks, transposed
from solvers.objectives import LogisticRegression, Point, SoftmaxRegression

from .eigenvalues import DENSE, EPS, lanczos, row_space

Linear = LogisticRegression | SoftmaxRegression


class Interval(NamedTuple):
    """low <= f* <= high, the reason, and whether the bound proves that f* is attained."""

    low: float
    high: float
    bound: str
    proves_a_minimiser: bool


def solve(objective: Linear) -> Result:
    """A run to the rounding floor: Newton by Cholesky, or by conjugate gradients where the Hessian is large."""
    solver = SOLVERS["newton-cholesky" if objective.size <= DENSE else "newton-cg"]
    return minimize(solver, objective, stop=Stop(gap_tolerance=0.0, iterations=300))


def interval(objective: Linear, point: Point) -> Interval:
    """Where the infimum of f lies, from a point that should be near the minimiser."""
    rounding = value_rounding(objective, point)
    gap, bound = math.inf, "a loss is not negative; no bound applies here"
    if objective.size <= DENSE and (found := self_concordant_gap(point, coordinates(objective))) < math.inf:
        gap, bound = found, "generalised self-concordance"
    if objective.l2 > 0 and not objective.fit_intercept:
        strong = float(torch.dot(point.gradient, point.gradient)) / (2 * objective.l2)
        gap, bound = min((gap, bound), (strong, "strong convexity, ||g||^2 / (2 l2)"))
    value = float(point.value)
    return Interval(max(value - gap - rounding, 0.0), value + rounding, bound, gap < math.inf)


def design(objective: Linear) -> Tensor:
    """X with the column of ones that an intercept stands for, dense float64 on the CPU, (n, d)."""
    X = objective.X.to_dense().double().cpu()
    return torch.cat([X, X.new_ones(len(X), 1)], dim=1) if objective.fit_intercept else X


def in_blocks(objective: Linear) -> bool:
    """Whether the rows are on a disk."""
    return isinstance(objective.X, BlockedRows)


def designs(objective: Linear) -> Iterator[Tensor]:
    """`design`, of rows on a disk in blocks."""
    if not in_blocks(objective):
        yield design(objective)
        return
    for _, block in row_blocks(objective.X.double()):
        yield torch.cat([block, block.new_ones(len(block), 1)], dim=1) if objective.fit_intercept else block


def coordinates(objective: Linear) -> Tensor | None:
    """A basis (size, r) of the directions along which f is not constant; None where that is every direction.

    Columns that depend on each other leave f constant along the null space of X, where there is no penalty; and so
    does adding the same vector to the coefficients of every class. Of rows on a disk no column may depend on others.
    """
    softmax = isinstance(objective, SoftmaxRegression)
    classes = objective.classes if softmax else 1
    width = objective.size // classes
    eye = torch.eye(width, dtype=torch.float64)
    free = torch.ones(width, dtype=torch.bool) if objective.l2 == 0 else torch.zeros(width, dtype=torch.bool)
    if objective.fit_intercept:
        free[-1] = True
    within = eye[:, free]
    if objective.l2 == 0:
        within = eye if in_blocks(objective) else row_space(design(objective)).basis
    if not softmax:
        return within if within.shape[1] < width and objective.l2 == 0 else None
    if not bool(free.any()):
        return None
    contrasts = torch.linalg.qr(torch.eye(classes, dtype=torch.float64)[:, 1:] - 1 / classes).Q
    parts = [_kronecker(contrasts, within)]
    if not bool(free.all()):
        parts.append(_kronecker(torch.eye(classes, dtype=torch.float64), eye[:, ~free]))
    return torch.cat(parts, dim=1)


def _kronecker(a: Tensor, b: Tensor) -> Tensor:
    """As torch.kron, which fails on a single column whose strides are those of a row."""
    return torch.einsum("ij,kl->ikjl", a, b).flatten(2).flatten(0, 1)


def self_concordant_gap(point: Point, basis: Tensor | None = None) -> float:
    """An upper bound on f(w) - f*, infinite where it does not apply; a finite one proves that a minimiser exists.

    Along any v, |f'''| <= max_i s_i(v) f'', where s_i is |x_i v|, or for K classes the spread of x_i v_k over k: the
    third central moment of a variable is at most its spread times its variance. With s_i(v) = max |r v| over the rows
    r = x_i, or x_i in one class minus x_i in another, that is at most c ||v||_H f'', c = max_r ||r||_{H^-1}.
    Integrating twice and minimising over v gives, for u = c lambda < 1 with the Newton decrement lambda,
    f - f* <= lambda^2 (u + (1 - u) log(1 - u)) / u^2, which tends to lambda^2 / 2. This is the generalised
    self-concordance of Bach (2010, Electron. J. Stat. 4, p. 384) with R measured in the metric of the Hessian.
    It needs no penalty and allows free intercepts. basis: of the directions along which f is not constant.
    """
    hessian, gradient = point.hessian, point.gradient
    if basis is not None:
        if basis.shape[1] == 0:
            return 0.0  # f is constant
        hessian, gradient = basis.T @ hessian @ basis, basis.T @ gradient
    found = factor(hessian)
    if found is None:
        return math.inf
    least = float(torch.linalg.eigvalsh(found.lower @ found.lower.T)[0])  # of the Hessian scaled to diagonal 1
    if least < rounding_shift(len(hessian) + len(point.objective.X), torch.float64):
        return math.inf  # the curvature in some direction is rounding
    root = torch.diag(found.scale) if basis is None else basis * found.scale  # (size, r)
    c = math.sqrt(
        max(
            float(torch.linalg.solve_triangular(found.lower, rows.T, upper=False).square().sum(0).max())
            for rows in _spreading_rows(point.objective, root)
        )
    )
    decrement = math.sqrt(max(float(torch.dot(gradient, found.solve(gradient))), 0.0))
    noise = gradient_rounding(point) if basis is None else basis.abs().T @ gradient_rounding(point)
    decrement += float(torch.linalg.vector_norm(found.scale * noise)) / math.sqrt(least)
    u = c * decrement
    if not u < 1:
        return math.inf
    shape = 0.5 + u / 6 if u < 1e-4 else (u + (1 - u) * math.log1p(-u)) / u**2
    return decrement**2 * shape * (1 + 1e-6)


def _spreading_rows(objective: Linear, root: Tensor) -> Iterator[Tensor]:
    """The rows r of `self_concordant_gap` in the variables w = root v, (n, r) at a time."""
    for X in designs(objective):
        if isinstance(objective, LogisticRegression):
            yield X @ root
            continue
        blocks = root.view(objective.classes, X.shape[1], -1)
        for j, k in combinations(range(objective.classes), 2):
            yield X @ (blocks[j] - blocks[k])


def gradient_rounding(point: Point) -> Tensor:
    """A bound on the rounding error of the gradient, (size,): (n + 2) eps sum_i |x_ij| |r_i|, and the penalty's."""
    f = point.objective
    residuals = point.residuals.abs().view(len(f.X), -1)  # (n, 1 or K)
    sums = (transposed(f.X.abs()) @ residuals).T  # (1 or K, d)
    if f.fit_intercept:
        sums = torch.cat([sums, residuals.sum(0).unsqueeze(1)], dim=1)
    return EPS * ((len(f.X) + 2) * f.scale * sums.flatten() + 2 * f.l2 * point.x.abs())


def value_rounding(objective: Linear, point: Point) -> float:
    """A bound on the rounding error of f(w): of the margins, and of the sum."""
    X, width = objective.X, objective.X.shape[1]
    sizes = objective.centred(point.x).abs().view(-1, width + objective.fit_intercept)  # (1 or K, d [+ 1])
    absolute = X.abs()
    reach = absolute @ sizes[:, :width].T  # (n, 1 or K): the error of each logit, in units of (d + 2) eps
    if objective.fit_intercept:
        reach = reach + sizes[:, -1]
    slopes = point.residuals.abs().view(len(X), -1)
    largest = reach.amax(1)  # the margins of a row are differences of its logits
    moved = 2 * float((slopes.sum(1) * largest).sum()) if sizes.shape[0] > 1 else float((slopes[:, 0] * largest).sum())
    return (sizes.shape[1] + 2) * EPS * moved * objective.scale + 16 * EPS * abs(float(point.value))


def condition(point: Point) -> float:
    """lambda_max / lambda_min of the Hessian on the directions along which f is not constant; NaN where not known."""
    f = point.objective
    if f.size <= DENSE:
        if in_blocks(f) and f.l2 == 0 and f.nullity != 0:
            return math.nan
        hessian, basis = point.hessian, coordinates(f)
        if basis is not None:
            Q = torch.linalg.qr(basis).Q
            hessian = Q.T @ hessian @ Q
        values = torch.linalg.eigvalsh(hessian)
        if len(values) == 0:  # f is constant
            return math.nan
        return float(values[-1] / values[0]) if float(values[0]) > 0 else math.inf
    # Along a step that is the same for every class, or that changes no margin, the curvature is the penalty's alone.
    penalised = f.l2 > 0 and not f.fit_intercept
    if penalised and (isinstance(f, SoftmaxRegression) or f.X.shape[0] < f.X.shape[1]):
        return lanczos(point.hvp, point.x, "LA") / f.l2
    return math.nan
