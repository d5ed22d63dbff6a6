"""Multinomial logistic regression in closed form, from margins, without cancellation."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ...common.cached import cached
from ...common.validation import EPS, class_labels, design_matrix
from ...linalg.kernels import is_sparse, weighted_gram, weighted_square_sums
from ..base import NewtonDirection
from .identified import ReferencePoint
from .margins import LONGEST, LinearPoint
from .model import LinearModel
from .separation import MOST_ENTRIES, may_weakly_separate, separates


class SoftmaxRegression(LinearModel):
    """f(w) = reduce_i [log sum_k exp(z_ik) - z_i,y_i] + l2/2 ||w||^2,  z_ik = x_i w_k (+ intercept_k).

    X  (n, d): a dense tensor or a torch CSR tensor; its dtype and device are the problem's.
       Entries of a CSR tensor that share a place are added up.
    y  (n,): labels 0, 1, ..., classes - 1, as integers or as floats that are whole.
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
        return SoftmaxPoint(self, x)

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
        entries = self.X[row]
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
            return "the iterate separates the classes strictly"
        along = newton_direction() if newton_direction else None
        if separates(point, along, size=1e-3, slack=1e-6) and may_weakly_separate(point, along, 1e-6):
            return "no row's margin decreases along the Newton direction by more than rounding (quasi-separation)"
        return None

    def escaping(self, point: SoftmaxPoint, newton_direction: NewtonDirection) -> bool:
        """As for LogisticRegression."""
        return self.l2 == 0 and separates(point, newton_direction(), size=0.5, slack=0.05)


class Probabilities(NamedTuple):
    """softmax of the margins, each part to full relative accuracy."""

    p: Tensor  # (n, K)
    complement: Tensor  # 1 - p, (n, K)
    losses: Tensor  # log sum exp(margins), (n,)


class SoftmaxPoint(LinearPoint):
    """f near w, built on the margins z_ik - z_i,y_i, (n, K): two tables, p and 1 - p, give every derivative."""

    objective: SoftmaxRegression

    @cached
    def probabilities(self) -> Probabilities:
        """The largest term is set apart: 1 - p is then the sum of the others, and the loss log1p of their share."""
        largest, index = self.margins.max(1, keepdim=True)  # (n, 1)
        others = (self.margins - largest).exp_().scatter_(1, index, 0.0)
        rest = others.sum(1, keepdim=True)  # (n, 1)
        total = 1 + rest
        p = (others / total).scatter_(1, index, 1 / total)
        complement = (1 - p).scatter_(1, index, rest / total)
        return Probabilities(p, complement, (largest + rest.log1p()).squeeze(1))

    @cached
    def value(self) -> Tensor:
        f = self.objective
        loss = self.probabilities.losses.sum() * f.scale
        if f.l2 > 0:
            W = f.rows(self.x)
            loss = loss + (W[:, :-1] if f.fit_intercept else W).square().sum() * (f.l2 / 2)
        return loss

    @cached
    def residuals(self) -> Tensor:
        """P - onehot(y) without cancellation, (n, K)."""
        own = self.objective._own
        return self.probabilities.p.scatter(1, own, -self.probabilities.complement.gather(1, own))

    @cached
    def curvature(self) -> Tensor:
        """p (1 - p), (n, K)."""
        return self.probabilities.p * self.probabilities.complement

    def class_curvature(self) -> Tensor:
        """scale sum_i (diag(p_i) - p_i p_i^T): the expectation over the classes is exact."""
        matrix = self.probabilities.p.T @ -self.probabilities.p
        matrix.diagonal().copy_(self.curvature.sum(0))
        return matrix * self.objective.scale

    @cached
    def gradient(self) -> Tensor:
        return self.objective.transposed_product(self.residuals, self.x)

    @cached
    def hessian(self) -> Tensor:
        """Block by block, (K, m, K, m) as (K m, K m) with m = d [+ 1]."""
        f = self.objective
        K, m = f.classes, f.size // f.classes
        hessian = self.x.new_empty(K, m, K, m)
        p = self.probabilities.p
        for j in range(K):
            for k in range(j):
                block = self._weighted_gram(-p[:, j] * p[:, k])
                hessian[j, :, k] = block
                hessian[k, :, j] = block  # it is symmetric
        for k, block in enumerate(self.hessian_block_diagonal):
            hessian[k, :, k] = block
        return hessian.view(f.size, f.size)

    @cached
    def hessian_block_diagonal(self) -> Tensor:
        """The blocks of one class each, (K, m, m): scale X^T diag(p_k (1 - p_k)) X + l2 I."""
        f = self.objective
        blocks = torch.stack([self._weighted_gram(c) for c in self.curvature.T])
        blocks.diagonal(dim1=1, dim2=2)[:, : f.X.shape[1]] += f.l2
        return blocks

    def _weighted_gram(self, c: Tensor) -> Tensor:
        """scale X^T diag(c) X with the intercept's row and column last, (m, m)."""
        f, d = self.objective, self.objective.X.shape[1]
        block = weighted_gram(f.X, c, c.new_zeros(d, d), f.scale, f._transposed)
        if not f.fit_intercept:
            return block
        border = torch.cat([f._transposed @ c, c.sum().unsqueeze(0)]) * f.scale  # (m,)
        return torch.cat([torch.cat([block, border[:-1].unsqueeze(0)]), border.unsqueeze(1)], dim=1)

    @cached
    def hessian_diagonal(self) -> Tensor:
        f, c = self.objective, self.curvature
        diagonal = torch.stack([weighted_square_sums(f.X, column, f.squares) for column in c.T]) * f.scale + f.l2
        if f.fit_intercept:
            diagonal = torch.cat([diagonal, c.sum(0).unsqueeze(1) * f.scale], dim=1)
        return diagonal.flatten()

    def hvp(self, v: Tensor) -> Tensor:
        """H v = scale S^T X + l2 v,  s_ik = p_ik (u_ik - sum_j p_ij u_ij),  U the margins of v, (K m,)."""
        f, p = self.objective, self.probabilities.p
        U = f.margins(v)
        return f.transposed_product(p * (U - (p * U).sum(1, keepdim=True)), v)

    def third_derivative(self, moves: Tensor) -> Tensor:
        """scale T^T X,  t_ik = p_ik ((u_ik - m_i)^2 - v_i), m_i and v_i the mean and the variance of u_i under p_i."""
        p = self.probabilities.p
        away = moves - (p * moves).sum(1, keepdim=True)  # (n, K)
        squares = away.square()
        return self.objective.transposed_product(p * (squares - (p * squares).sum(1, keepdim=True)))

    def identified(self) -> ReferencePoint | SoftmaxPoint:
        """With one coefficient of each column fixed where adding to all of them changes nothing: that of the class with
        the largest curvature, which leaves the best conditioned Hessian."""
        f = self.objective
        if f.l2 > 0 and not f.fit_intercept:
            return self
        fixed = f.rows(self.hessian.diagonal()).argmax(0) * (f.size // f.classes)  # (d [+ 1],)
        fixed += torch.arange(len(fixed), device=fixed.device)
        keep = torch.ones_like(self.x, dtype=torch.bool)
        keep[fixed if f.l2 == 0 else fixed[-1]] = False
        return ReferencePoint(self, keep.nonzero().squeeze(1))

    def separating(self) -> bool:
        """Whether every margin, computed from X and not carried, is below 0 by more than its rounding."""
        f, w = self.objective, self.x
        error = math.sqrt(f.size) * EPS[w.dtype] * f.reach(w)
        return bool((f.margins(w) < -error).scatter_(1, f._own, True).all())

    def margin_increase(self, step: Tensor) -> Tensor:
        """x_i (step_y_i - step_k), (n, K): the row's own class has none."""
        return -self.objective.margins(step)

    @property
    def error_probabilities(self) -> Tensor:
        return self.probabilities.p

    def beyond_model(self, step: Tensor) -> bool:
        """As for LogisticRegression, with the span of a row's moves over the classes."""
        moves = self.objective.margins(step)
        return not float((moves.amax(1) - moves.amin(1)).max()) <= LONGEST

    def rounding_gap(self) -> float:
        """scale / 2 sum_i of the variance over the classes of the errors e_ik of the margins, eps `reach`.

        With signs that are not known that is at most sum_k p_k e_k^2 - 2 (p_k e_k)^2 + (sum_k p_k e_k)^2; of a row
        whose errors may change its probabilities too, at most a quarter of the square of the span.
        """
        f = self.objective
        error, p = EPS[self.x.dtype] * f.reach(self.x), self.probabilities.p
        most = error.amax(1)  # (n,)
        parts = p * error
        variance = (parts * error - 2 * parts.square()).sum(1) + parts.sum(1).square()
        span = error.topk(2, dim=1).values.sum(1).square() / 4
        variance = torch.where(most <= 0.5, (variance * (2 * most.clamp(max=1)).exp()).minimum(span), span)
        return 0.5 * f.scale * float(variance.sum())

    def slope_noise(self, v: Tensor) -> float:
        """eps (scale sum_ik |r_ik| (|X| |v_k - mean v|)_i + |g - l2 w| |v| + l2 |w| |v|).

        What rounds alike in all classes is no error of the slope: `transposed_product` takes the mean over classes out
        of the products, and the second term is what that subtraction rounds.
        """
        f = self.objective
        rows, penalised = f.rows(v), f.penalised(self.x).flatten()
        size = f.scale * float((self.residuals.abs() * f.row_reach((rows - rows.mean(0)).abs().T)).sum())
        rounded = (self.gradient - penalised).abs_().add_(penalised.abs())
        return EPS[v.dtype] * (size + float(torch.dot(rounded, v.abs())))

    def change(self, drift: Tensor) -> tuple[float, float]:
        scale, p = self.objective.scale, self.probabilities.p
        return scale * float((p * drift).sum()), scale * float((self.curvature * drift.square()).sum())

    def root_weights(self, signs: Tensor) -> Tensor:
        """A_i of the row i has K rows, sqrt(p_k) (e_k - p) for k = 1..K: A_i^T A_i = diag(p) - p p^T. They share a
        bucket, and their signs keep them apart in the mean."""
        p = self.probabilities.p
        signed = signs * p.sqrt()
        return (signed - p * signed.sum(1, keepdim=True)) * math.sqrt(self.objective.scale)

    def loss_slope(self, moves: Tensor) -> float:
        return self.objective.scale * float((self.probabilities.p * moves).sum())

    def curvature_noise(self, v: Tensor) -> float:
        """2 scale sum_ik p_ik (1 - p_ik) e_ik^2 at most, with e = eps |X| |v_k|, the rounding of X v_k.

        A variance over classes is at most 2 sum_k p_k (1 - p_k) e_k^2; then as for LogisticRegression, by Cauchy and
        Schwarz: (|X| |v_k|)_i^2 <= sum_j x_ij^2 / h_kj sum_j h_kj v_kj^2 with h = diag H.
        """
        known = self.__dict__.get("hessian")
        h = self.hessian_diagonal if known is None else known.diagonal()
        m = len(v) // self.objective.classes
        return 2 * m * torch.finfo(v.dtype).eps ** 2 * float(torch.dot(v.square(), h))
