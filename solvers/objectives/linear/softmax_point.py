"""Multinomial logistic regression near one w: derivatives in closed form, from margins, without cancellation."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ...common.cached import cached
from ...common.validation import EPS
from ...linalg.kernels import weighted_gram, weighted_square_sums
from ...linalg.spectral import SpectralInverse, spectral_inverse
from .identified import ReferencePoint
from .margins import LONGEST, LinearPoint


class Probabilities(NamedTuple):
    """softmax of the margins, each part to full relative accuracy."""

    p: Tensor  # (n, K)
    complement: Tensor  # 1 - p, (n, K)
    losses: Tensor  # log sum exp(margins), (n,)


class SoftmaxPoint(LinearPoint):
    """f near w, built on the margins z_ik - z_i,y_i, (n, K): two tables, p and 1 - p, give every derivative."""

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
    def spectral_inverse(self) -> SpectralInverse | None:
        """(A (x) B + l2 I)^-1, A = `class_curvature` and B = `SoftmaxRegression.columns_pencil`: about H^-1, exactly
        where all rows have the same p. None where there is no such B."""
        known = self.objective.columns_pencil
        return None if known is None else spectral_inverse(self.class_curvature(), known)

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
