"""Logistic regression near one w: derivatives in closed form, from margins, without cancellation."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ...common.cached import cached
from ...common.instrumentation import timed
from ...common.scalars import read_together, squared
from ...common.validation import EPS
from ...linalg.coarse_gram import PRECISIONS, coarse_gram
from ...linalg.kernels import is_sparse, one_block_gram, weighted_gram, weighted_square_sums
from .margins import LONGEST, LinearPoint
from .separation import part_has_minimiser

PLAIN_LOSS = 0.2  # mean loss of a row from which on a rounding of the probability changes it by a few roundings
CERTAIN = 0.1  # error of a margin that leaves its curvature as it is, to a tenth


def log_sigmoid(m: Tensor, out: Tensor | None = None) -> Tensor:
    """log(1 / (1 + exp(-m))): torch's logsigmoid allocates a second tensor of the same size."""
    if out is not None:
        return torch.ops.aten.softplus.out(m, -1, 40, out=out)
    return softplus(m, beta=-1, threshold=40)  # below -40 it rounds to m


def sum_of_log_sigmoids(m: Tensor, scratch: Tensor | None) -> Tensor:
    """sum_i log(1 / (1 + exp(-m_i))), a scalar; scratch: room for a large m, or None.

    Of a large m the logarithm is taken of products of eight sigmoids, which halves the time. Their rounding adds up to
    about 1.5 eps a row, if all rows are alike; where losses are so small that this matters, or a product is subnormal,
    the logarithms are taken one by one.
    """
    if m.stride(0) == 0:  # one number, n times
        return log_sigmoid(m[:1]).sum() * len(m)
    if scratch is None:
        return log_sigmoid(m).sum()
    products = torch.sigmoid(m, out=scratch)
    for _ in range(3):
        half, odd = divmod(len(products), 2)
        if odd:
            products[0].mul_(products[-1])
        products = torch.mul(products[:half], products[half : 2 * half], out=products[:half])
    if float(products.amin()) >= torch.finfo(m.dtype).tiny:
        total = products.log_().sum()
        if float(total) <= -PLAIN_LOSS * len(m):
            return total
    return log_sigmoid(m, scratch).sum()


class LogisticPoint(LinearPoint):
    """f near w, built on the margins sign * z, (n,): two vectors of length n give every derivative."""

    @cached
    def value(self) -> Tensor:
        f, m = self.objective, self.margins
        if f.binary:
            gain = sum_of_log_sigmoids(m, self.scratch)
        else:
            gain = (f.y * log_sigmoid(m) + (1 - f.y) * log_sigmoid(-m)).sum()
        loss = gain.mul_(f.minus_scale)
        if f.l2 > 0:
            w = self.x[:-1] if f.fit_intercept else self.x
            loss.add_(torch.dot(w, w), alpha=f.l2 / 2)
        return loss

    @cached
    def least_margin(self) -> float:
        return float(self.margins.min())

    @cached
    def error_probability(self) -> Tensor:
        """sigmoid(-m): for 0/1 labels the probability given to the wrong class, |p - y|, (n,)."""
        return self.margins.neg().sigmoid_()

    @cached
    def residuals(self) -> Tensor:
        """p - y without cancellation, (n,)."""
        f = self.objective
        if f.binary:
            return (self.error_probability * f.signs).neg_()
        return (1 - f.y) * torch.sigmoid(self.margins) - f.y * self.error_probability

    @property
    def row_slopes(self) -> Tensor:
        return self.error_probability if self.objective.binary else self.residuals

    @cached
    def curvature(self) -> Tensor:
        """p (1 - p) as sigmoid(m) sigmoid(-m) = exp(-|m|) / (1 + exp(-|m|))^2, (n,)."""
        return torch.sigmoid(self.margins, out=self.scratch) * self.error_probability

    @cached
    def gradient(self) -> Tensor:
        f = self.objective
        if f._signed is not None:
            return torch.addmv(self.x, f._signed_transposed, self.error_probability, beta=f.l2, alpha=-f.scale)
        if not f.binary:
            return f.transposed_product(self.residuals, self.x)
        return f.transposed_product(torch.mul(self.error_probability, f.signs, out=self.scratch), self.x, sign=-1)

    @cached
    def hessian(self) -> Tensor:
        f, c = self.objective, self.curvature
        if f._signed is not None:  # the signs cancel
            return one_block_gram(f._signed, c, f.penalty_matrix, f.scale, f._signed_transposed)
        if f.rows is not None and not c.requires_grad:
            return self._with_intercept(f.rows.gram(c, f.scale, f.l2))
        return self._with_intercept(weighted_gram(f.X, c, f.penalty_matrix, f.scale, f._transposed))

    def coarse_hessian(self, precision: str) -> Tensor:
        return self.hessian if is_sparse(self.objective.X) else self._coarse_hessian(precision)

    @timed("hessian", "hessians")
    def _coarse_hessian(self, precision: str) -> Tensor:
        f = self.objective
        rows = f.rows_in(PRECISIONS[precision])
        return self._with_intercept(coarse_gram(rows, self.curvature, f.penalty_matrix, f.scale, precision))

    def _with_intercept(self, block: Tensor) -> Tensor:
        """The Hessian, (size, size), from that of the features' coefficients, (d, d)."""
        f = self.objective
        if not f.fit_intercept:
            return block
        hessian = block.new_empty(f.size, f.size)
        hessian[:-1, :-1] = block
        hessian[-1] = f.transposed_product(self.curvature)
        hessian[:, -1] = hessian[-1]
        return hessian

    @cached
    def hessian_diagonal(self) -> Tensor:
        f, c = self.objective, self.curvature
        rows = f.product_rows(c)
        sums = weighted_square_sums(f.X, c, f.squares) if rows is None else rows.square_sums(c)
        diagonal = sums * f.scale + f.l2
        return torch.cat([diagonal, c.sum().unsqueeze(0) * f.scale]) if f.fit_intercept else diagonal

    @property
    def dual(self) -> tuple[Tensor, Tensor, Tensor, float] | None:
        f = self.objective
        return (f.X, f.row_products, f.scale * self.curvature, f.l2) if f.wide else None

    def hvp(self, v: Tensor) -> Tensor:
        """H v = scale X^T (c * X v) + l2 v, (d,)."""
        f = self.objective
        if not f.fit_intercept and (rows := f.product_rows(self.curvature, v)) is not None:
            product = rows.hessian_product(self.curvature, v).mul_(f.scale)
            return product.add_(v, alpha=f.l2) if f.l2 > 0 else product
        curvature, out = self.curvature, None if v.requires_grad else self.scratch
        return f.transposed_product(f.logits(v, out).mul_(curvature), v)

    def third_derivative(self, moves: Tensor) -> Tensor:
        """scale X^T t,  t = p (1 - p) (1 - 2 p) u^2, (d,)."""
        f, c = self.objective, self.curvature
        bends = torch.addcmul(c, c, self.error_probability, value=-2, out=None if moves.requires_grad else self.scratch)
        bends.mul_(moves).mul_(moves)  # (n,), c (1 - 2 p) u^2, p the error probability
        if f._signed is not None:
            return torch.addmv(self.x, f._signed_transposed, bends, beta=0, alpha=-f.scale)
        return f.transposed_product(bends.mul_(f.signs), sign=-1)

    def moves(self, step: Tensor) -> Tensor:
        """X step, (n,), cached for the last step."""
        known = self.__dict__.get("_moves")
        if known is None or known[0] is not step:
            known = self.__dict__["_moves"] = step, self.objective.logits(step)
        return known[1]

    def margin_increase(self, step: Tensor) -> Tensor:
        """(2 y_i - 1) x_i step, (n,). For a row whose label is a probability each move counts as wrong."""
        sides, moves = 2 * self.objective.y - 1, self.moves(step)
        return torch.where(sides.abs() == 1, sides * moves, -moves.abs())

    @property
    def error_probabilities(self) -> Tensor:
        """The slope of each row's loss along its `margin_increase`, without its sign, (n,)."""
        return self.row_slopes.abs()

    def has_minimiser(self) -> bool:
        return part_has_minimiser(self)

    def beyond_model(self, step: Tensor) -> bool:
        """A curvature changes at most by a factor exp(|move of its row|) (Bach 2010, Electron. J. Stat. 4, p. 384)."""
        return not float(self.moves(step).abs().max()) <= LONGEST

    def rounding_gap(self) -> float:
        """As for every linear model; row by row where the errors of the margins may change the curvatures."""
        f, w = self.objective, self.x
        eps = EPS[w.dtype]
        if f.norm_squared * squared(eps * self.length) <= CERTAIN**2:
            return super().rounding_gap()
        error = eps * f.reach(w)  # (n,)
        curvature = torch.where(error <= 1, self.curvature * error.clamp(max=1).exp(), 0.25)
        return 0.5 * f.scale * float(torch.dot(curvature.clamp(max=0.25) * error, error))

    def slope_noise(self, v: Tensor) -> float:
        """eps (scale sum_i |r_i| (|X| |v|)_i + l2 |w| |v|)."""
        f = self.objective
        size = f.scale * float(torch.dot(self.row_slopes.abs(), f.reach(v)))
        return EPS[v.dtype] * (size + float(torch.dot(f.penalised(self.x).abs(), v.abs())))

    def change(self, drift: Tensor) -> tuple[float, float]:
        scale = self.objective.scale
        # A curvature p (1 - p) is no larger than the error probability p, which is cached; computing it uses `scratch`.
        most = self.error_probability if self.objective.binary else self.curvature
        gap = 0.5 * scale * float(torch.dot(most, torch.mul(drift, drift, out=self.scratch)))
        return scale * float(torch.dot(self.row_slopes, drift)), gap

    def root_weights(self, signs: Tensor) -> Tensor:
        return signs * (self.objective.scale * self.curvature).sqrt().unsqueeze(1)

    def loss_slope(self, moves: Tensor) -> float:
        f = self.objective
        return (-f.scale if f.binary else f.scale) * float(torch.dot(self.row_slopes, moves))

    def curvature_noise(self, v: Tensor) -> float:
        """scale sum_i c_i e_i^2 at most, with e = eps |X| |v|, the rounding of X v (Higham, section 3.5).

        By Cauchy and Schwarz in the variables that make diag H = 1, (|X| |v|)_i^2 is at most the product of
        sum_j x_ij^2 / h_j and sum_j h_j v_j^2, and scale sum_i c_i sum_j x_ij^2 / h_j = d. Where there is no Hessian
        yet, c_i <= 1/4 and |x_i|^2 |v|^2 bound the same sum from the norm of X.
        """
        f, known = self.objective, self.__dict__.get("hessian")
        if known is None:
            length = self.length if v is self.x else float(torch.linalg.vector_norm(v.double()))
            return 0.25 * f.scale * f.norm_squared * squared(EPS[v.dtype] * length)
        return len(v) * EPS[v.dtype] ** 2 * float(torch.dot(v.square(), known.diagonal()))


class LogisticPointOnDevice(LogisticPoint):
    """The same where the host waits for each number and asks whether the rows are separated: it gets both at once."""

    @cached
    def float_value(self) -> float:
        value, self.__dict__["least_margin"] = read_together(self.value, self.margins.min())
        return value
