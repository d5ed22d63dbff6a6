"""Logistic regression in closed form, from margins, without cancellation."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ..checks import EPS, design_matrix, penalty, reduction_scale, row_labels
from ..kernels import (
    fits_one_block,
    is_sparse,
    one_block_gram,
    short_indices,
    squares_of,
    take_rows,
    transposed,
    weighted_gram,
    weighted_square_sums,
)
from .base import NewtonDirection, Objective, kept
from .linear import LinearPoint, diagonal_bound, hessian_price, norm_squared, penalties
from .separation import separates, strictly_separates

LONGEST = 0.5  # move of a row along a step whose gain the quadratic model still tells, to about a fifth
DOUBLED = 1 << 26  # entries of an X that is copied to float64 where float32 cannot tell: half a gigabyte
CERTAIN = 0.1  # error of a margin that leaves its curvature as it is, to a tenth


class LogisticRegression(Objective):
    """f(w) = reduce_i [y_i softplus(-z_i) + (1 - y_i) softplus(z_i)] + l2/2 ||w||^2,  z = X w (+ intercept).

    X  (n, d): a dense tensor or a torch CSR tensor; its dtype and device are the problem's.
    y  (n,): labels in [0, 1]; values strictly between are probabilities.
    l2: penalty, >= 0. With `fit_intercept` one unpenalised coefficient is appended as the last entry of w.
    reduction: "mean" or "sum" over the rows; the penalty is added after it, never divided.

    With p = sigmoid(z) and c the 1/n or 1 of the reduction:
    gradient c X^T (p - y) + l2 w,  Hessian c X^T diag(p (1 - p)) X + l2 I.
    Integers and booleans become float64, float16 and bfloat16 become float32; X and y are never written to.
    Raises TypeError or ValueError for input that is not such a problem. Source: Hastie, Tibshirani & Friedman,
    The Elements of Statistical Learning, 2nd ed., section 4.4.1.
    """

    closed_form = True

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

        self.X, self.y = X, y
        self.l2 = penalty(l2, self.X)
        self.fit_intercept = bool(fit_intercept)
        self.reduction = reduction
        self.scale = reduction_scale(reduction, len(X))
        self.binary = torch.equal(y, y.round())  # they lie in [0, 1]
        # Margins are sign * z: for 0/1 labels a margin is positive where the row is classified correctly.
        self.signs = 2 * y - 1 if self.binary else torch.ones_like(y)  # (n,)
        self.size = X.shape[1] + self.fit_intercept
        self.strong_convexity = 0.0 if self.fit_intercept else self.l2
        self.hessian_price = hessian_price(X)
        self.X_short = short_indices(X)  # what products with X are computed from
        self._fused = not self.fit_intercept and not is_sparse(X)  # one kernel adds the penalty to the product
        self._signed = self._signed_transposed = None
        if self.binary and not self.fit_intercept and fits_one_block(X):
            # Where a kernel takes no longer than its call: rows that hold their sign save two products an iteration.
            self._signed = self.signs.unsqueeze(1) * X
            self._signed_transposed = transposed(self._signed)

    def at(self, x: Tensor) -> LogisticPoint:
        # At the usual start no product is needed; where X is small, asking takes as long as the product.
        at_zero = not fits_one_block(self.X) and not bool(x.any())
        return LogisticPoint(self, x, torch.zeros_like(self.y) if at_zero else None)

    def sample(self, rows: Tensor) -> LogisticRegression:
        """f estimated without bias from the given rows, each of which counts n / m times; rows: (m,) int64."""
        part = LogisticRegression(take_rows(self.X, rows), self.y[rows], self.l2, self.fit_intercept)
        part.scale = self.scale * len(self.X) / len(rows)
        return part

    def zeros(self) -> Tensor:
        """The default start, w = 0."""
        return torch.zeros(self.size, dtype=self.X.dtype, device=self.X.device)

    def logits(self, w: Tensor) -> Tensor:
        """z = X w (+ intercept), (n,)."""
        return self.X_short @ w[:-1] + w[-1] if self.fit_intercept else self.X_short @ w

    def margins(self, w: Tensor) -> Tensor:
        """sign_i z_i, (n,)."""
        return self.signs * self.logits(w) if self._signed is None else self._signed @ w

    def accuracy(self, w: Tensor) -> float:
        """Share of rows on the right side, where z >= 0 says class 1."""
        return float(((self.logits(w) >= 0) == (self.y >= 0.5)).double().mean())

    def reach(self, v: Tensor) -> Tensor:
        """sum_j |x_ij v_j|, (n,): the size of the terms that a product X v is a sum of, and is rounded like."""
        columns = self.X.shape[1]
        return self.X.abs() @ v[:columns].abs() + (v[-1].abs() if self.fit_intercept else 0.0)

    def transposed_product(self, rows: Tensor, base: Tensor | None = None) -> Tensor:
        """base + scale X^T rows (the intercept's entry last), (d,)."""
        if self._fused and base is not None:
            return torch.addmv(base, self._transposed, rows, alpha=self.scale)
        if self.fit_intercept:
            product = torch.cat([self._transposed @ rows, rows.sum().unsqueeze(0)]).mul_(self.scale)
        else:
            product = (self._transposed @ rows).mul_(self.scale)
        return product if base is None else product.add_(base)

    def penalised(self, w: Tensor) -> Tensor:
        """l2 w, with 0 for the intercept."""
        slope = self.l2 * w
        if self.fit_intercept:
            slope[-1] = 0
        return slope

    @kept
    def _transposed(self) -> Tensor:
        with torch.inference_mode(False):
            return transposed(self.X)

    @kept
    def penalty_matrix(self) -> Tensor:
        """l2 I over the features, (d, d)."""
        with torch.inference_mode(False):
            return torch.eye(self.X.shape[1], dtype=self.X.dtype, device=self.X.device).mul_(self.l2)

    @property
    def wide(self) -> bool:
        """Whether there are more columns than rows, and all are penalised."""
        return len(self.y) < self.size and self.strong_convexity > 0 and not is_sparse(self.X)

    @kept
    def row_products(self) -> Tensor:
        """X X^T, (n, n)."""
        with torch.inference_mode(False):
            return self.X @ self.X.T

    @kept
    def norm_squared(self) -> float:
        """||X||_F^2, with the intercept's column."""
        return norm_squared(self.X) + self.fit_intercept * len(self.y)

    @kept
    def squares(self) -> Tensor | None:
        with torch.inference_mode(False):
            return squares_of(self.X, self._transposed)

    def curvature_bound(self) -> Tensor:
        """scale X^T X / 4 + l2 I, for p (1 - p) <= 1/4 (Boehning & Lindsay 1988): the Hessian at 0, where p = 1/2."""
        return self.at(self.zeros()).hessian

    def diagonal_curvature_bound(self) -> Tensor:
        return self.scale / 4 * diagonal_bound(self.X, self.fit_intercept) + penalties(self)

    def no_minimiser(self, point: LogisticPoint, newton_direction: NewtonDirection | None = None) -> str | None:
        """Proofs that the infimum is not attained (Albert & Anderson 1984, Biometrika 71, p. 1).

        All labels of one class beside a free intercept; strict separation by the point; or a Newton direction
        that moves no row the wrong way by more than rounding, on those rows that it moves at all.
        """
        if self.binary and self.fit_intercept and self.one_class:
            return "all labels are of one class, and the intercept is not penalised"
        if self.l2 > 0:
            return None
        # If every row is separated, none loses more than log 2: where the sum is larger there is no need to look.
        most = math.log(2) * self.scale * len(self.y) * 1.0001
        if self.binary and float(point.value) <= most and float(point.margins.min()) > 0 and strictly_separates(point):
            return "the iterate separates the classes strictly"
        if newton_direction and separates(point, newton_direction(), size=1e-3, slack=1e-6):
            return "to rounding, the Newton direction moves no row the wrong way (quasi-separation)"
        return None

    def escaping(self, point: LogisticPoint, newton_direction: NewtonDirection) -> bool:
        """Near a minimiser a Newton step moves margins by little; along a separating direction by about one.

        This asks less than the proof of quasi-separation, for tolerances so loose that the proof is not there yet.
        """
        return self.l2 == 0 and separates(point, newton_direction(), size=0.5, slack=0.05)

    @kept
    def one_class(self) -> bool:
        return bool((self.y == self.y[0]).all())


def log_sigmoid(m: Tensor) -> Tensor:
    """log(1 / (1 + exp(-m))): torch's logsigmoid allocates a second tensor of the same size."""
    return softplus(m, beta=-1, threshold=40)  # below -40 it is m, to the last digit


class LogisticPoint(LinearPoint):
    """f near w, built on the margins sign * z, (n,): two vectors of length n give every derivative."""

    objective: LogisticRegression

    @kept
    def value(self) -> Tensor:
        f, m = self.objective, self.margins
        gains = log_sigmoid(m) if f.binary else f.y * log_sigmoid(m) + (1 - f.y) * log_sigmoid(-m)  # (n,)
        loss = gains.sum().mul_(-f.scale)
        if f.l2 > 0:
            w = self.x[:-1] if f.fit_intercept else self.x
            loss.add_(torch.dot(w, w), alpha=f.l2 / 2)
        return loss

    @kept
    def miss(self) -> Tensor:
        """sigmoid(-m): for 0/1 labels the probability given to the wrong class, |p - y|, (n,)."""
        return self.margins.neg().sigmoid_()

    @kept
    def residuals(self) -> Tensor:
        """p - y without cancellation, (n,)."""
        f = self.objective
        if f.binary:
            return self.miss * -f.signs
        return (1 - f.y) * torch.sigmoid(self.margins) - f.y * self.miss

    @kept
    def curvature(self) -> Tensor:
        """p (1 - p) as sigmoid(m) sigmoid(-m) = exp(-|m|) / (1 + exp(-|m|))^2, (n,)."""
        return torch.sigmoid(self.margins) * self.miss

    @kept
    def gradient(self) -> Tensor:
        f = self.objective
        if f.l2 > 0 and f._signed is not None:
            return torch.addmv(self.x, f._signed_transposed, self.miss, beta=f.l2, alpha=-f.scale)
        return f.transposed_product(self.residuals, f.penalised(self.x) if f.l2 > 0 else None)

    @kept
    def hessian(self) -> Tensor:
        f, c = self.objective, self.curvature
        if f._signed is not None:  # the signs cancel
            return one_block_gram(f._signed, c, f.penalty_matrix, f.scale, f._signed_transposed)
        block = weighted_gram(f.X, c, f.penalty_matrix, f.scale, f._transposed)
        if not f.fit_intercept:
            return block
        hessian = block.new_empty(f.size, f.size)
        hessian[:-1, :-1] = block
        hessian[-1] = f.transposed_product(c)
        hessian[:, -1] = hessian[-1]
        return hessian

    @kept
    def hessian_diagonal(self) -> Tensor:
        f, c = self.objective, self.curvature
        diagonal = weighted_square_sums(f.X, c, f.squares) * f.scale + f.l2
        return torch.cat([diagonal, c.sum().unsqueeze(0) * f.scale]) if f.fit_intercept else diagonal

    @property
    def dual(self) -> tuple[Tensor, Tensor, Tensor, float] | None:
        f = self.objective
        return (f.X, f.row_products, f.scale * self.curvature, f.l2) if f.wide else None

    def hvp(self, v: Tensor) -> Tensor:
        """H v = scale X^T (c * X v) + l2 v, (d,)."""
        f = self.objective
        return f.transposed_product(self.curvature * f.logits(v), f.penalised(v) if f.l2 > 0 else None)

    def third(self, moves: Tensor) -> Tensor:
        """scale X^T t,  t = p (1 - p) (1 - 2 p) u^2, (d,)."""
        f = self.objective
        bends = torch.mul(self.miss, 2).sub_(1).mul_(self.curvature).mul_(moves).mul_(moves)  # (n,), by sign * z
        if f._signed is not None:
            return (f._signed_transposed @ bends).mul_(f.scale)
        return f.transposed_product(bends.mul_(f.signs))

    def moves(self, step: Tensor) -> Tensor:
        """X step, (n,); of the step that was asked for last it is kept."""
        known = self.__dict__.get("_moves")
        if known is None or known[0] is not step:
            known = self.__dict__["_moves"] = step, self.objective.logits(step)
        return known[1]

    def beyond_model(self, step: Tensor) -> bool:
        """A curvature changes at most by a factor exp(|move of its row|) (Bach 2010, Electron. J. Stat. 4, p. 384)."""
        return not float(self.moves(step).abs().max()) <= LONGEST

    def rounding_gap(self) -> float:
        """As for every linear model; row by row where margins are so uncertain that the curvatures are, too."""
        f, w = self.objective, self.x
        eps = EPS[w.dtype]
        if f.norm_squared * (eps * float(torch.linalg.vector_norm(w.double()))) ** 2 <= CERTAIN**2:
            return super().rounding_gap()
        error = eps * f.reach(w)  # (n,)
        curvature = torch.where(error <= 1, self.curvature * error.clamp(max=1).exp(), 0.25)
        return 0.5 * f.scale * float(torch.dot(curvature.clamp(max=0.25) * error, error))

    def in_double(self) -> LogisticPoint | None:
        f = self.objective
        if is_sparse(f.X) or f.X.numel() > DOUBLED or f.X.device.type == "mps":  # which has no float64
            return None
        double = LogisticRegression(f.X.double(), f.y.double(), f.l2, f.fit_intercept, f.reduction)
        double.scale = f.scale
        return double.at(self.x.double())

    def slope_noise(self, v: Tensor) -> float:
        """eps (scale sum_i |r_i| (|X| |v|)_i + l2 |w| |v|)."""
        f = self.objective
        size = f.scale * float(torch.dot(self.residuals.abs(), f.reach(v)))
        return EPS[v.dtype] * (size + float(torch.dot(f.penalised(self.x).abs(), v.abs())))

    def change(self, drift: Tensor) -> tuple[float, float]:
        f = self.objective
        slopes = self.miss if f.binary else self.residuals  # |df/dm| of each row
        hidden = 0.5 * f.scale * float(torch.dot(self.curvature, drift * drift))
        return f.scale * float(torch.dot(slopes, drift)), hidden

    def root_weights(self, signs: Tensor) -> Tensor:
        return signs * (self.objective.scale * self.curvature).sqrt().unsqueeze(1)

    def loss_slope(self, moves: Tensor) -> float:
        f = self.objective
        return f.scale * float(torch.dot(-self.miss if f.binary else self.residuals, moves))

    def curvature_noise(self, v: Tensor) -> float:
        """scale sum_i c_i e_i^2 at most, with e = eps |X| |v|, the rounding of X v (Higham, section 3.5).

        By Cauchy and Schwarz in the variables that make diag H = 1, (|X| |v|)_i^2 is at most the product of
        sum_j x_ij^2 / h_j and sum_j h_j v_j^2, and scale sum_i c_i sum_j x_ij^2 / h_j = d. Where there is no Hessian
        yet, c_i <= 1/4 and |x_i|^2 |v|^2 bound the same sum from the norm of X.
        """
        f, known = self.objective, self.__dict__.get("hessian")
        if known is None:
            length = float(torch.linalg.vector_norm(v.double()))
            return 0.25 * f.scale * f.norm_squared * (EPS[v.dtype] * length) ** 2
        return len(v) * EPS[v.dtype] ** 2 * float(torch.dot(v.square(), known.diagonal()))
