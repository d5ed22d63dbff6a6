"""Logistic regression: the objective, its data and its proofs that no minimiser exists."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ...common.blocked_rows import BlockedRows
from ...common.cached import cached
from ...common.validation import EPS, design_matrix, row_labels
from ...linalg.kernels import fits_one_block, is_sparse, take_rows, transposed
from ..base import NewtonDirection
from .blocked_point import BlockedLogisticPoint
from .compiled_point import CompiledLogisticPoint, columns_of
from .compiled_rows import CompiledRows, rows_of
from .logistic_point import LogisticPoint, LogisticPointOnDevice
from .model import LinearModel
from .separation import MOST_ENTRIES, STRICTLY, WEAKLY, may_weakly_separate, separates, strictly_separates


class LogisticRegression(LinearModel):
    """f(w) = reduce_i [y_i softplus(-z_i) + (1 - y_i) softplus(z_i)] + l2/2 ||w||^2,  z = X w (+ intercept).

    X (n, d): a dense tensor or a torch CSR tensor; its dtype and device are the problem's.
        Entries of a CSR tensor that share a place are added up. Or a RowStream, whose rows are on a disk.
    y (n,): labels in [0, 1]; values strictly between are probabilities.
    l2: penalty, >= 0. With `fit_intercept` one unpenalised coefficient is appended as the last entry of w.
    reduction: "mean" or "sum" over the rows; the penalty is added after it, never divided.

    With p = sigmoid(z) and c the 1/n or 1 of the reduction:
    gradient c X^T (p - y) + l2 w,  Hessian c X^T diag(p (1 - p)) X + l2 I.
    Integers and booleans become float64, float16 and bfloat16 become float32; X and y are never written to.
    Raises TypeError or ValueError for input that is not such a problem. Source: Hastie, Tibshirani & Friedman,
    The Elements of Statistical Learning, 2nd ed., section 4.4.1.
    """

    def __init__(
        self, X: Tensor, y: Tensor, l2: float = 0.0, fit_intercept: bool = False, reduction: str = "mean"
    ) -> None:
        X = design_matrix(X, fit_intercept)
        y = row_labels(y, X).to(X.dtype)
        low, high = (float(end) for end in torch.aminmax(y))
        if low < 0 or high > 1:
            labels = y.unique()
            found = ", ".join(f"{float(v):g}" for v in labels) if len(labels) <= 5 else f"{low:g}..{high:g}"
            raise ValueError(f"labels must lie in [0, 1], found {found}: map them before building the objective")

        super().__init__(X, y, l2, fit_intercept, reduction)
        classes = y.round()
        self.binary = torch.equal(y, classes)  # they lie in [0, 1]
        # Margins are sign * z: for 0/1 labels a margin is positive where the row is classified correctly.
        self.signs = classes.add_(classes).sub_(1) if self.binary else classes.fill_(1)  # (n,)
        asks_for_margins = self.binary and self.l2 == 0 and X.device.type != "cpu"
        self._point = LogisticPointOnDevice if asks_for_margins else LogisticPoint
        if isinstance(X, BlockedRows):
            self._point = BlockedLogisticPoint
        # One kernel adds the penalty to the product.
        self._fused = not self.fit_intercept and isinstance(X, Tensor) and not is_sparse(X)
        self._signed = None
        if self.binary and not self.fit_intercept and fits_one_block(X):
            # Where a kernel takes no longer than its call: rows times their sign save two products an iteration.
            self._signed = self.signs.unsqueeze(1) * X
        self.columns = columns_of(self)
        self.rows = rows_of(self)
        if self.rows is not None:
            self.hessian_price = self.rows.hessian_price

    @cached
    def _signed_transposed(self) -> Tensor:
        with torch.inference_mode(False):
            return transposed(self._signed)

    def at(self, x: Tensor) -> LogisticPoint:
        # At the usual start no product is needed; where X is small, the test takes as long as the product.
        if x.requires_grad:
            return LogisticPoint(self, x)
        if self.columns is not None:
            return CompiledLogisticPoint(self, x)
        if fits_one_block(self.X) or bool(x.any()):
            return self._point(self, x)
        point = self._point(self, x, self.y.new_zeros(1).expand_as(self.y))
        point.error_probability = self.y.new_full((1,), 0.5).expand_as(self.y)
        return point

    def sample(self, rows: Tensor) -> LogisticRegression:
        """f estimated without bias from the given rows, each of which counts n / m times; rows: (m,) int64."""
        part = LogisticRegression(take_rows(self.X, rows), self.y[rows], self.l2, self.fit_intercept)
        part.scale = self.scale * len(self.X) / len(rows)
        return part

    def logits(self, w: Tensor, out: Tensor | None = None) -> Tensor:
        """z = X w (+ intercept), (n,)."""
        if self.fit_intercept:
            return torch.mv(self.X_short, w[:-1], out=out).add_(w[-1])
        return torch.mv(self.X_short, w, out=out)

    def margins(self, w: Tensor) -> Tensor:
        """sign_i z_i, (n,)."""
        return self.logits(w).mul_(self.signs) if self._signed is None else self._signed @ w

    def accuracy(self, w: Tensor) -> float:
        """Share of rows on the right side, where z >= 0 says class 1."""
        return float(((self.logits(w) >= 0) == (self.y >= 0.5)).double().mean())

    def reach(self, v: Tensor) -> Tensor:
        """sum_j |x_ij v_j|, (n,): the size of the terms that a product X v is a sum of, and is rounded like."""
        return self.row_reach(v.abs())

    def signed_rows(self, fixed: Tensor) -> Tensor | None:
        """s_i x_i; x_i and -x_i where the label is a probability: there every move is a wrong one."""
        if is_sparse(self.X) or int(fixed.sum()) * self.size > MOST_ENTRIES:
            return None
        rows, y = take_rows(self.X, fixed.nonzero().squeeze(1)), self.y[fixed]
        rows = torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1) if self.fit_intercept else rows
        return torch.cat([rows[y > 0], -rows[y < 1]])

    def transposed_product(self, rows: Tensor, w: Tensor | None = None, sign: int = 1) -> Tensor:
        """sign scale X^T rows (+ l2 w), (d,), with the intercept's entry last."""
        scale = sign * self.scale
        if self._fused and w is not None:
            return torch.addmv(w, self._transposed, rows, beta=self.l2, alpha=scale)
        by_rows = self.product_rows(rows)
        product = self._transposed @ rows if by_rows is None else by_rows.transposed_product(rows)
        if self.fit_intercept:
            product = torch.cat([product, rows.sum().unsqueeze(0)])
        product = product.mul_(scale)
        return product if w is None or self.l2 == 0 else product.add_(self.penalised(w))

    def product_rows(self, *vectors: Tensor) -> CompiledRows | None:
        """What products with these vectors are computed by; None for torch, which has their derivatives, and threads.

        On one thread MKL takes as long as the kernels, but it needs X^T: to make it took a fifth of a run on reuters.
        """
        if self.rows is None or torch.get_num_threads() > 1 or any(v.requires_grad for v in vectors):
            return None
        return self.rows

    def penalised(self, w: Tensor) -> Tensor:
        """l2 w, with 0 for the intercept."""
        slope = self.l2 * w
        if self.fit_intercept:
            slope[-1] = 0
        return slope

    @cached
    def minus_scale(self) -> Tensor:
        """-scale, a scalar: converting a Python number at each call takes longer than the multiplication."""
        with torch.inference_mode(False):
            return torch.tensor(-self.scale, dtype=self.X.dtype, device=self.X.device)

    @cached
    def compiled_scale(self) -> Any:
        """scale as the compiled kernels take it; not a field of `columns`, for a sample has another."""
        return self.columns.columns.dtype.type(self.scale)

    @cached
    def penalty_matrix(self) -> Tensor:
        """l2 I over the features, (d, d)."""
        with torch.inference_mode(False):
            return torch.eye(self.X.shape[1], dtype=self.X.dtype, device=self.X.device).mul_(self.l2)

    @cached
    def wide(self) -> bool:
        """Whether there are more columns than rows, and all are penalised."""
        in_memory = isinstance(self.X, Tensor)
        return len(self.y) < self.size and self.strong_convexity > 0 and not is_sparse(self.X) and in_memory

    @cached
    def row_products(self) -> Tensor:
        """X X^T, (n, n)."""
        with torch.inference_mode(False):
            return self.X @ self.X.T

    def in_row_space(self) -> LogisticRegression | None:
        """The same f over u (n,), with w = X^T L^-T u, X X^T = L L^T: X w = L u, and ||w|| = ||u||.

        The minimiser of a `wide` f lies there, for its gradient vanishes at l2 w = -scale X^T (p - y). X of this
        objective is L. None where the rows are dependent to rounding.
        """
        lower, info = torch.linalg.cholesky_ex(self.row_products)
        if info.item():
            return None
        reduced = LogisticRegression(lower, self.y, self.l2)
        reduced.scale = self.scale
        return reduced

    def over(self, X: Tensor) -> LogisticRegression:
        return LogisticRegression(X, self.y.to(X.dtype), self.l2, self.fit_intercept, self.reduction)

    def curvature_bound(self) -> Tensor:
        """scale X^T X / 4 + l2 I, for p (1 - p) <= 1/4 (Boehning & Lindsay 1988): the Hessian at 0, where p = 1/2."""
        return self.at(self.zeros()).hessian

    def diagonal_curvature_bound(self) -> Tensor:
        return self.scale / 4 * self.row_sums_of_gram() + self.penalties

    def no_minimiser(self, point: LogisticPoint, newton_direction: NewtonDirection | None = None) -> str | None:
        """Proofs that the infimum is not attained (Albert & Anderson 1984, Biometrika 71, p. 1).

        All labels of one class beside a free intercept; strict separation by the point; or a Newton direction
        that moves no row the wrong way by more than rounding, on those rows that it moves at all.
        """
        if self.binary and self.fit_intercept and self.one_class:
            return "all labels are of one class, and the intercept is not penalised"
        if self.l2 > 0:
            return None
        # If every row is separated, none loses more than log 2: a larger sum rules that out.
        most = math.log(2) * self.scale * len(self.y) * 1.0001
        if self.binary and point.float_value <= most and point.least_margin > 0 and strictly_separates(point):
            return STRICTLY
        along = newton_direction() if newton_direction else None
        if separates(point, along, size=1e-3, slack=1e-6) and may_weakly_separate(point, along, 1e-6):
            return WEAKLY
        return None

    def escaping(self, point: LogisticPoint, newton_direction: NewtonDirection) -> bool:
        """Near a minimiser a Newton step moves margins by little; along a separating direction by about one.

        A weaker condition than the proof of quasi-separation, for tolerances so loose that the proof fails.
        """
        return self.l2 == 0 and separates(point, newton_direction(), size=0.5, slack=0.05, noise=EPS[self.X.dtype])

    @cached
    def one_class(self) -> bool:
        return bool((self.y == self.y[0]).all())
