"""Whether the classes are separable: a linear program over the rows r_i that need r_i w > 0."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from torch import Tensor

from solvers.common.blocked_rows import BlockedRows
from solvers.objectives import LogisticRegression, SoftmaxRegression

SEPARABLE, QUASI, OVERLAPPING = "separable", "quasi-separable", "overlapping"
NOT_OVERLAPPING = "not overlapping"  # one of the first two, and it is not known which
UNDECIDED = "undecided"
ROUNDING = 8 * np.finfo(np.float64).eps  # of a sum of products, for each of its terms
LARGEST = 5_000_000  # entries of a linear program: one of a million took two seconds
LARGEST_MARGIN = 200_000  # and of the one for the margin, which is dense in one column and a dozen times slower


@dataclass(frozen=True)
class Separation:
    """classes: separable (some w has every r_i w > 0), quasi-separable (some w has r_i w >= 0, not all 0), overlapping;
    or not overlapping, undecided: too large to be decided. margin: the largest min_i r_i w with |w|_inf <= 1 where the
    classes are separable (NaN where that was too large to compute), else 0. how: what decided it.
    """

    classes: str
    margin: float
    how: str


def separation(objective: LogisticRegression | SoftmaxRegression) -> Separation:
    """Whether some w separates the classes, whatever the penalty."""
    if isinstance(objective.X, BlockedRows):
        return Separation(UNDECIDED, math.nan, "the rows are on a disk, and a linear program needs all of them")
    factor = 1 if isinstance(objective, LogisticRegression) else 2 * (objective.classes - 1)
    if _entries(objective) * factor > LARGEST:
        if _single_column_separates(objective):
            return Separation(NOT_OVERLAPPING, math.nan, "a column with entries of one sign in one class alone")
        return Separation(UNDECIDED, math.nan, "too large for a linear program")
    rows = signed_rows(objective)
    # Adding the same to all classes changes no margin, and its rounding would hide small changes: fix the last class.
    free = rows if isinstance(objective, LogisticRegression) else rows[:, : -objective.size // objective.classes]
    classes = classify_separability(unit(unit(free, axis=0), axis=1))
    margin = 0.0 if classes in (QUASI, OVERLAPPING) else math.nan
    if classes == SEPARABLE and rows.nnz <= LARGEST_MARGIN:
        margin = widest_margin(rows)
    return Separation(classes, margin, "linear program")


def signed_rows(objective: LogisticRegression | SoftmaxRegression) -> sparse.csr_matrix:
    """(m, size): (2 y_i - 1) x_i for two classes; for more, x_i in the block of its class and -x_i in another's."""
    X = design_csr(objective)
    if isinstance(objective, LogisticRegression):
        return sparse.diags(objective.signs.double().cpu().numpy()) @ X
    y, width = objective.y.cpu().numpy(), X.shape[1]
    blocks = []
    for k in range(objective.classes):
        others = np.flatnonzero(y != k)
        entries = X[others].tocoo()
        own, other = (block * width + entries.col for block in (y[others][entries.row], k))
        blocks.append(
            sparse.csr_matrix(
                (np.r_[entries.data, -entries.data], (np.r_[entries.row, entries.row], np.r_[own, other])),
                shape=(len(others), objective.size),
            )
        )
    return sparse.vstack(blocks, format="csr")


def design_csr(objective: LogisticRegression | SoftmaxRegression) -> sparse.csr_matrix:
    """X with the column of ones that an intercept stands for, (n, d [+ 1]) in float64."""
    X = _scipy(objective.X)
    return sparse.hstack([X, np.ones((X.shape[0], 1))], format="csr") if objective.fit_intercept else X


def _scipy(X: Tensor) -> sparse.csr_matrix:
    X = X.cpu().double()
    if X.is_sparse_csr:
        parts = (X.values().numpy(), X.col_indices().numpy(), X.crow_indices().numpy())
        return sparse.csr_matrix(parts, shape=tuple(X.shape))
    return sparse.csr_matrix(X.numpy())


def _entries(objective: LogisticRegression | SoftmaxRegression) -> int:
    X = objective.X
    return int((X.values() if X.is_sparse_csr else X).count_nonzero()) + len(X) * objective.fit_intercept


def unit(rows: sparse.csr_matrix, axis: int) -> sparse.csr_matrix:
    """Every column (axis 0) or row (axis 1) divided by its largest entry, those of zeros as they are.

    Whether classes can be separated depends neither on the units of a column nor on the length of a row.
    """
    largest = abs(rows).max(axis=axis).toarray().ravel()
    scale = sparse.diags(1 / np.where(largest > 0, largest, 1.0))
    return (rows @ scale if axis == 0 else scale @ rows).tocsr()


def classify_separability(rows: sparse.csr_matrix) -> str:
    """Separable, quasi-separable or overlapping, for rows of largest entry 1.

    max sum_i r_i w with every r_i w >= 0, |w|_inf <= 1, is 0 exactly for overlapping classes. Otherwise the rows with
    r_i w > 0 are removed, because a small step along what separates the rest does not reverse them; and the program is
    solved again for the rest, until no row is left (separable) or none has r_i w > 0. The signs of r_i w are checked to
    rounding; that none can be positive is known only to the tolerance of the program, 1e-7.
    """
    left = rows
    while left.shape[0]:
        w = _maximiser(np.asarray(left.sum(axis=0)).ravel(), left, (-1, 1))
        moves = np.zeros(left.shape[0]) if w is None else left @ w
        rounding = 0.0 if w is None else ROUNDING * (left.shape[1] + 2) * (abs(left) @ np.abs(w))
        if w is None or (moves < -rounding).any():  # HiGHS lets a constraint be off by 1e-7: that proves nothing
            return UNDECIDED if left is rows else NOT_OVERLAPPING
        moved = moves > rounding
        if not moved.any():
            return OVERLAPPING if left is rows else QUASI
        left = left[~moved]
    return SEPARABLE


def widest_margin(rows: sparse.csr_matrix) -> float:
    """max t with rows w >= t, |w|_inf <= 1, of separable rows; NaN where the program does not find it."""
    n, d = rows.shape
    unit_of = float(abs(rows).max())  # tolerances are absolute: the program is in units of the largest entry
    gain, scaled = np.r_[np.zeros(d), 1.0], rows / unit_of
    w = _maximiser(gain, sparse.hstack([scaled, -np.ones((n, 1))], format="csr"), [*[(-1, 1)] * d, (None, None)])
    return math.nan if w is None or w[-1] <= 0 else float(w[-1]) * unit_of  # below the tolerance: not known


def _maximiser(gain: np.ndarray, rows: sparse.csr_matrix, bounds: list | tuple) -> np.ndarray | None:
    """The v that maximises gain v with rows v >= 0 within the bounds, by HiGHS; None where it finds none."""
    from scipy.optimize import linprog

    program = linprog(-gain, A_ub=-rows, b_ub=np.zeros(rows.shape[0]), bounds=bounds)
    return program.x if program.success else None


def _single_column_separates(objective: LogisticRegression | SoftmaxRegression) -> bool:
    """Whether some column is >= 0 in one class and <= 0 in all others, or the reverse, and not 0 everywhere.

    A step in that one coefficient of that class (z_k = x_ij) then moves no row the wrong way.
    """
    X = design_csr(objective)
    y = objective.y.long().cpu().numpy()
    for k in range(int(y.max()) + 1):
        inside, outside = X[y == k], X[y != k]
        if not (inside.shape[0] and outside.shape[0]):
            continue
        for sign in (1, -1):
            own, others = (sign * inside).min(axis=0).toarray(), (sign * outside).max(axis=0).toarray()
            if bool(((own >= 0) & (others <= 0) & (abs(X).max(axis=0).toarray() > 0)).any()):
                return True
    return False
