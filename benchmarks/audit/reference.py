"""80-digit reference solutions of small logistic and softmax regressions: does a minimiser exist, and what is f*?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mpmath import exp, fdot, log1p, mp, mpf, sqrt
from torch import Tensor

from datasets.certificates.separation import OVERLAPPING, UNDECIDED, separation
from solvers.objectives import LogisticRegression, SoftmaxRegression

DIGITS = 80
RELATIVE_SHIFT = mpf(10) ** -45  # of diag H: what columns that depend on each other need to be factored
SOLVED = mpf(10) ** -40  # the squared Newton decrement over f at which Newton's method ends
ITERATIONS = 200
Vector = list[Any]  # of mpf


@dataclass(frozen=True)
class Reference:
    """minimiser: whether f attains its infimum; how: what proves it. optimum: f*, which is inf f where it does not.

    reach: sum_j |x_ij w*_j| of each row, the size of the terms that its margin is a sum of; curvature: d2f/dz2 of each
    row at w*. Both are empty without a minimiser. With K classes there is one for each row and class.
    """

    minimiser: bool
    optimum: float
    how: str
    reach: tuple[float, ...] = ()
    curvature: tuple[float, ...] = ()

    def hidden_by_rounding(self, eps: float) -> float:
        """The gap, to second order, of a w* whose every term x_ij w*_j is rounded to a relative eps."""
        return 0.5 * sum(c * (eps * size) ** 2 for c, size in zip(self.curvature, self.reach, strict=True))


class HighPrecisionLogistic:
    """A logistic regression whose stored numbers are taken to be exact, evaluated in 80 digits."""

    def __init__(self, f: LogisticRegression) -> None:
        with mp.workdps(DIGITS):
            ones = [mpf(1)] if f.fit_intercept else []
            self.rows = [[mpf(entry) for entry in row] + ones for row in f.X.to_dense().tolist()]
            self.columns = [list(column) for column in zip(*self.rows, strict=True)]
            self.y = [mpf(label) for label in f.y.tolist()]
            self.scale = 1 / mpf(len(self.y)) if f.reduction == "mean" else mpf(1)
            self.penalty = [mpf(f.l2)] * (f.size - len(ones)) + [mpf(0)] * len(ones)
            self.best: tuple[Any, Vector] | None = None  # f* and w*

    def value(self, w: Vector) -> Any:
        losses = []
        for row, y in zip(self.rows, self.y, strict=True):
            z = fdot(row, w)
            losses.append(log1p(exp(-abs(z))) + (max(z, 0) - y * z))
        return self.scale * sum(losses) + fdot(self.penalty, [v * v for v in w]) / 2

    def derivatives(self, w: Vector) -> tuple[Vector, list[Vector], Vector]:
        """The gradient, the lower triangle of the Hessian, and the curvature of each row."""
        misses, curvatures = [], []
        for row, y in zip(self.rows, self.y, strict=True):
            p = 1 / (1 + exp(-fdot(row, w)))
            misses.append(self.scale * (p - y))
            curvatures.append(self.scale * p * (1 - p))
        gradient = [fdot(column, misses) + l2 * v for column, l2, v in zip(self.columns, self.penalty, w, strict=True)]
        hessian = []
        for j, column in enumerate(self.columns):
            weighted = [c * entry for c, entry in zip(curvatures, column, strict=True)]
            hessian.append([fdot(weighted, other) for other in self.columns[: j + 1]])
            hessian[j][j] += self.penalty[j]
        return gradient, hessian, curvatures

    def margin_rows(self) -> Iterator[Vector]:
        """The gradients of the margins, or of their differences, whose moves bound how the curvature changes."""
        yield from self.rows

    def reach(self, w: Vector) -> Iterator[Any]:
        """sum_j |x_ij w_j| of each row."""
        for row in self.rows:
            yield fdot([abs(x) for x in row], [abs(v) for v in w])

    def gap(self, w: Tensor) -> float:
        """f(w) - f*, for a w of any dtype; infinite where w is not finite."""
        if not bool(w.isfinite().all()):
            return math.inf
        with mp.workdps(DIGITS):
            optimum = self.best[0] if self.best else mpf(0)
            return float(self.value([mpf(v) for v in w.tolist()]) - optimum)

    def minimise(self) -> tuple[float, Vector, Vector] | None:
        """Newton's method with backtracking from 0: f*, w*, curvatures; None where no minimiser is proved.

        The proof is generalised self-concordance: u = max_i ||x_i||_{H^-1} times the Newton decrement is below 1 at
        some point (Bach 2010, Electron. J. Stat. 4, p. 384; `datasets.certificates.optimum.self_concordant_gap`).
        """
        with mp.workdps(DIGITS):
            w = [mpf(0)] * len(self.penalty)
            value = self.value(w)
            for _ in range(ITERATIONS):
                gradient, hessian, curvatures = self.derivatives(w)
                lower = cholesky(hessian)
                half = forward(lower, gradient)
                decrement = fdot(half, half)  # g^T H^-1 g
                if decrement <= SOLVED * value:
                    largest = max(fdot(v, v) for v in (forward(lower, row) for row in self.margin_rows()))
                    if not sqrt(largest * decrement) < 0.5:
                        return None
                    self.best = value, w
                    return float(value), w, curvatures
                direction = [-v for v in backward(lower, half)]
                t = mpf(1)
                while t > mpf(10) ** -30:
                    trial = [v + t * d for v, d in zip(w, direction, strict=True)]
                    reached = self.value(trial)
                    if reached <= value - t * decrement / 10000:
                        break
                    t /= 2
                else:
                    return None
                w, value = trial, reached
            return None


class HighPrecisionSoftmax(HighPrecisionLogistic):
    """A softmax regression likewise. Its Hessian is singular along what is common to all classes, where the shift of
    `cholesky` lets it be factored."""

    def __init__(self, f: SoftmaxRegression) -> None:
        with mp.workdps(DIGITS):
            ones = [mpf(1)] if f.fit_intercept else []
            self.rows = [[mpf(entry) for entry in row] + ones for row in f.X.to_dense().tolist()]
            self.columns = [list(column) for column in zip(*self.rows, strict=True)]
            self.y, self.classes = f.y.tolist(), f.classes
            self.scale = 1 / mpf(len(self.y)) if f.reduction == "mean" else mpf(1)
            self.penalty = ([mpf(f.l2)] * f.X.shape[1] + [mpf(0)] * len(ones)) * f.classes
            self.best = None

    def blocks(self, w: Vector) -> list[Vector]:
        m = len(self.columns)
        return [w[k * m : (k + 1) * m] for k in range(self.classes)]

    def probabilities(self, w: Vector) -> list[tuple[Vector, Any]]:
        """Of each row the probabilities of the classes, and its loss."""
        blocks, found = self.blocks(w), []
        for row, y in zip(self.rows, self.y, strict=True):
            z = [fdot(row, block) for block in blocks]
            terms = [exp(v - z[y]) for v in z]
            others = sum(terms[:y] + terms[y + 1 :])
            found.append(([term / (1 + others) for term in terms], log1p(others)))
        return found

    def value(self, w: Vector) -> Any:
        return self.scale * sum(loss for _, loss in self.probabilities(w)) + (
            fdot(self.penalty, [v * v for v in w]) / 2
        )

    def derivatives(self, w: Vector) -> tuple[Vector, list[Vector], Vector]:
        m, K, all_p = len(self.columns), self.classes, [p for p, _ in self.probabilities(w)]
        gradient, hessian = [], []
        for k in range(K):
            misses = [self.scale * (p[k] - (y == k)) for p, y in zip(all_p, self.y, strict=True)]
            gradient += [fdot(column, misses) for column in self.columns]
            blocks = []
            for other in range(k + 1):
                weights = [self.scale * p[k] * ((k == other) - p[other]) for p in all_p]
                weighted = [[c * x for c, x in zip(weights, column, strict=True)] for column in self.columns]
                blocks.append([[fdot(left, right) for right in self.columns] for left in weighted])
            for j in range(m):
                row = [entry for block in blocks for entry in block[j]][: k * m + j + 1]
                row[-1] += self.penalty[k * m + j]
                hessian.append(row)
        gradient = [g + l2 * v for g, l2, v in zip(gradient, self.penalty, w, strict=True)]
        return gradient, hessian, [self.scale * q * (1 - q) for p in all_p for q in p]

    def margin_rows(self) -> Iterator[Vector]:
        m = len(self.columns)
        for row in self.rows:
            for k in range(self.classes):
                for other in range(k):
                    v = [mpf(0)] * (self.classes * m)
                    v[k * m : (k + 1) * m], v[other * m : (other + 1) * m] = row, [-x for x in row]
                    yield v

    def reach(self, w: Vector) -> Iterator[Any]:
        blocks = self.blocks(w)
        for row in self.rows:
            for block in blocks:
                yield fdot([abs(x) for x in row], [abs(v) for v in block])


def exact_model(f: LogisticRegression | SoftmaxRegression) -> HighPrecisionLogistic:
    return HighPrecisionSoftmax(f) if isinstance(f, SoftmaxRegression) else HighPrecisionLogistic(f)


def cholesky(matrix: list[Vector]) -> list[Vector]:
    """L of the lower triangle of a positive semidefinite matrix, its diagonal raised by a relative 1e-45."""
    lower: list[Vector] = []
    for i, row in enumerate(matrix):
        factors: Vector = []
        for j in range(i):
            factors.append((row[j] - fdot(factors[:j], lower[j][:j])) / lower[j][j])
        pivot = row[i] * (1 + RELATIVE_SHIFT) - fdot(factors, factors)
        lower.append([*factors, sqrt(pivot) if pivot > 0 else mpf(1)])  # a column of zeros keeps its own unit
    return lower


def forward(lower: list[Vector], b: Vector) -> Vector:
    """L^-1 b."""
    solution: Vector = []
    for row, entry in zip(lower, b, strict=True):
        solution.append((entry - fdot(row[:-1], solution)) / row[-1])
    return solution


def backward(lower: list[Vector], b: Vector) -> Vector:
    """L^-T b."""
    size = len(b)
    solution = [mpf(0)] * size
    for i in reversed(range(size)):
        rest = fdot([lower[k][i] for k in range(i + 1, size)], solution[i + 1 :])
        solution[i] = (b[i] - rest) / lower[i][i]
    return solution


def reference_solution(
    f: LogisticRegression | SoftmaxRegression, exact: HighPrecisionLogistic | None = None
) -> Reference:
    """Whether f has a minimiser, and its infimum. Raises ValueError where neither is proved.

    No minimiser: labels of one class beside a free intercept, or a direction without penalty that moves no row the
    wrong way (a linear program, checked to rounding; Albert & Anderson 1984, Biometrika 71, p. 1).
    """
    exact = exact or exact_model(f)
    softmax = isinstance(f, SoftmaxRegression)
    if softmax and f.fit_intercept and f.absent_class is not None:
        return Reference(False, math.nan, "a class without rows, and intercepts that are free")
    if not softmax and f.binary and f.fit_intercept and f.one_class:
        return Reference(False, 0.0, "labels of one class, and an intercept that is free")
    if f.l2 == 0 and (softmax or f.binary) and (classes := separation(f).classes) not in (OVERLAPPING, UNDECIDED):
        return Reference(False, 0.0, f"{classes} classes, by a linear program")
    found = exact.minimise()
    if found is None:
        raise ValueError("neither a minimiser nor a separating direction was found")
    optimum, w, curvatures = found
    with mp.workdps(DIGITS):
        reach = tuple(map(float, exact.reach(w)))
    return Reference(True, optimum, f"self-concordance in {DIGITS} digits", reach, tuple(map(float, curvatures)))
