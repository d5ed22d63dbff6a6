"""Multinomial logistic regression: the objective, its data and its proofs that no minimiser exists."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...common.blocked_rows import BlockedRows
from ...common.cached import cached
from ...common.validation import EPS, class_labels, design_matrix
from ...linalg.kernels import is_sparse, take_rows
from ...linalg.spectral import Pencil, pencil
from ..base import NewtonDirection
from .blocked_point import BlockedSoftmaxPoint
from .model import LinearModel
from .separation import MOST_ENTRIES, STRICTLY, WEAKLY, may_weakly_separate, separates
from .softmax_point import SoftmaxPoint

MOST_COLUMNS = 2000  # of an X whose second moments are decomposed: an eigendecomposition of 2000 x 2000 takes seconds


class SoftmaxRegression(LinearModel):
    """f(w) = reduce_i [log sum_k exp(z_ik) - z_i,y_i] + l2/2 ||w||^2,  z_ik = x_i w_k (+ intercept_k).

    X (n, d): a dense tensor or a torch CSR tensor; its dtype and device are the problem's.
        Entries of a CSR tensor that share a place are added up. Or a RowStream, whose rows are on a disk.
    y (n,): labels 0, 1, ..., classes - 1, as integers or as floats that are whole.
    classes: K >= 2; the largest label + 1 where None. l2: penalty, >= 0, on every row but not on the intercepts.
    reduction: "mean" or "sum" over the rows; the penalty is added after it, never divided.
    w is flat, (K (d [+ 1]),): class by class its d weights and, with `fit_intercept`, its intercept last;
    `rows(w)` is it as (K, d [+ 1]).

    With P = softmax(Z) and c the 1/n or 1 of the reduction: gradient c (P - onehot(y))^T X + l2 w, and block (j, k) of
    the Hessian is c X^T diag(p_j (1[j = k] - p_k)) X + l2 I.

    Adding a constant to all K logits changes nothing. So where a coefficient is not penalised (all with l2 = 0, else
    the intercepts) the Hessian is singular along e.g. (v, v, ..., v) at every w: the minimisers form an affine space,
    and a solver ends at one of them. Methods that shift a singular Hessian, or solve by conjugate gradients, converge,
    because the gradient is exactly orthogonal to its null space. The stopping test works in fewer coordinates
    (`identified`). Two classes with l2 are LogisticRegression with l2/2, w = w_1 - w_0.
    Raises TypeError or ValueError for input that is not such a problem. Source: Hastie, Tibshirani & Friedman, The
    Elements of Statistical Learning, 2nd ed., section 4.4; Boehning (1992, Ann. Inst. Stat. Math. 44, p. 197).
    """

    def __init__(
        self,
        X: Tensor,
        y: Tensor,
        classes: int | None = None,
        l2: float = 0.0,
        fit_intercept: bool = False,
        reduction: str = "mean",
    ) -> None:
        X = design_matrix(X, fit_intercept)
        y, self.classes = class_labels(X, y, classes)  # (n,) int64
        super().__init__(X, y, l2, fit_intercept, reduction, classes=self.classes)
        self._own = self.y.unsqueeze(1)  # (n, 1)

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Of what w is made of, for methods that work on matrices."""
        return {"W": (self.classes, self.size // self.classes)}

    def at(self, x: Tensor) -> SoftmaxPoint:
        return (BlockedSoftmaxPoint if isinstance(self.X, BlockedRows) else SoftmaxPoint)(self, x)

    def rows(self, w: Tensor) -> Tensor:
        """w as (K, d [+ 1])."""
        return w.view(self.classes, -1)

    def logits(self, w: Tensor) -> Tensor:
        """Z, (n, K)."""
        W = self.rows(w)
        return (self.X_short @ W[:, :-1].T).add_(W[:, -1]) if self.fit_intercept else self.X_short @ W.T

    def margins(self, w: Tensor) -> Tensor:
        """z_ik - z_i,y_i, (n, K): 0 for the row's own class, and negative for all others where it is classified."""
        Z = self.logits(self.centred(w))
        return Z - Z.gather(1, self._own)

    def centred(self, direction: Tensor) -> Tensor:
        """Without what is added to all classes alike, where that is not penalised: it moves no margin, and would cost
        their last digits where it grows."""
        if self.l2 > 0 and not self.fit_intercept:
            return direction
        W = self.rows(direction)
        if self.l2 == 0:
            return (W - W.mean(0)).flatten()
        return torch.cat([W[:, :-1], W[:, -1:] - W[:, -1].mean()], dim=1).flatten()

    def span(self, direction: Tensor) -> Tensor:
        W = self.rows(direction)
        return W.amax(0) - W.amin(0)

    def reach(self, w: Tensor) -> Tensor:
        """sum_j |x_ij| (|w_kj| + |w_y_i,j|), (n, K), of the centred w; 0 for the row's own class, whose margin is 0."""
        each = self.row_reach(self.rows(self.centred(w)).abs().T)
        return (each + each.gather(1, self._own)).scatter_(1, self._own, 0.0)

    def signed_rows(self, fixed: Tensor) -> Tensor | None:
        """x_i in the block of its class, and -x_i in another's."""
        m = self.size // self.classes
        fixed = fixed.scatter(1, self._own, False)  # (n, K)
        if is_sparse(self.X) or int(fixed.sum()) * self.size > MOST_ENTRIES:
            return None
        row, other = fixed.nonzero().T
        entries = take_rows(self.X, row)
        entries = torch.cat([entries, entries.new_ones(len(row), 1)], dim=1) if self.fit_intercept else entries
        blocks, places = entries.new_zeros(len(row), self.classes, m), torch.arange(len(row), device=row.device)
        blocks[places, self.y[row]] = entries
        blocks[places, other] = -entries
        return blocks.flatten(1)

    def over(self, X: Tensor) -> SoftmaxRegression:
        return SoftmaxRegression(X, self.y, self.classes, self.l2, self.fit_intercept, self.reduction)

    def accuracy(self, w: Tensor) -> float:
        """Share of rows whose own class has the largest logit (the first of equals counts)."""
        return float((self.logits(w).argmax(1) == self.y).double().mean())

    def transposed_product(self, R: Tensor, w: Tensor | None = None) -> Tensor:
        """scale R^T X (+ l2 w), flat, for R (n, K) whose rows add up to 0.

        Then so do the K rows of the product; what rounding left of their sum is taken out. (Without that a solver
        would find a slope of 1e-17 along null directions, over a curvature of 1e-30.)
        """
        # (K, d). The product on the left of a tall X took less than half the time of the one with its transpose.
        product = (self._transposed @ R).T if is_sparse(self.X) else R.T @ self.X
        if self.fit_intercept:
            product = torch.cat([product, R.sum(0).unsqueeze(1)], dim=1)
        product = (product - product.mean(0)) * self.scale
        if w is not None and self.l2 > 0:
            product += self.penalised(w)
        return product.flatten()

    def penalised(self, w: Tensor) -> Tensor:
        """l2 w as rows, with 0 for the intercepts, (K, d [+ 1])."""
        slope = self.l2 * self.rows(w)
        if self.fit_intercept:
            slope[:, -1] = 0
        return slope

    @property
    def preconditions(self) -> bool:
        """Whether points have a `spectral_inverse`: with a penalty, a dense X and no more than MOST_COLUMNS."""
        return self.l2 > 0 and not is_sparse(self.X) and self.size // self.classes <= MOST_COLUMNS

    @cached
    def columns_pencil(self) -> Pencil | None:
        """Of the second moments of the columns and l2, which is put on the intercept, too; None without `preconditions`
        or where the moments are not finite."""
        if not self.preconditions:
            return None
        with torch.inference_mode(False):
            return pencil(self.second_moments, self.l2)

    @cached
    def absent_class(self) -> int | None:
        """The first class that no row has."""
        counts = torch.bincount(self.y, minlength=self.classes)
        return None if bool((counts > 0).all()) else int((counts == 0).nonzero()[0])

    def curvature_bound(self) -> Tensor:
        """diag(p) - p p^T <= (I - 1 1^T / K) / 2 (Boehning 1992): K / 2 times what it is at 0, where p = 1 / K."""
        penalty = self.penalties.diag()
        return (self.at(self.zeros()).hessian - penalty) * (self.classes / 2) + penalty

    def diagonal_curvature_bound(self) -> Tensor:
        """The same without 1 1^T."""
        return self.scale / 2 * self.row_sums_of_gram().repeat(self.classes) + self.penalties

    def no_minimiser(self, point: SoftmaxPoint, newton_direction: NewtonDirection | None = None) -> str | None:
        """Proofs that the infimum is not attained (Albert & Anderson 1984, Biometrika 71, p. 1).

        A class without rows beside free intercepts; strict separation by the point, every row's own class having the
        largest logit; or a Newton direction along which no margin rises by more than rounding, and some fall.
        """
        if self.fit_intercept and self.absent_class is not None:
            return f"no row is of class {self.absent_class}, and the intercepts are not penalised"
        if self.l2 > 0:
            return None
        # If every row is separated, none loses more than log K: a larger sum rules that out.
        most = math.log(self.classes) * self.scale * len(self.y) * 1.0001
        others = self.classes - 1
        if point.float_value <= most and int((point.margins < 0).sum()) == others * len(self.y) and point.separating():
            return STRICTLY
        along = newton_direction() if newton_direction else None
        if separates(point, along, size=1e-3, slack=1e-6) and may_weakly_separate(point, along, 1e-6):
            return WEAKLY
        return None

    def escaping(self, point: SoftmaxPoint, newton_direction: NewtonDirection) -> bool:
        """As for LogisticRegression."""
        return self.l2 == 0 and separates(point, newton_direction(), size=0.5, slack=0.05, noise=EPS[self.X.dtype])
