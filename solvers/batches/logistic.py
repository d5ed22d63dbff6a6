"""Many logistic regressions of one shape: values, gradients and Hessians of all of them in one call."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ..common.cached import cached
from ..common.validation import EPS, real_tensor
from ..objectives import LogisticRegression
from .weighted_logistic import WeightedLogisticRegression

CHUNK = 1 << 16  # entries of the scaled rows that a Hessian is assembled from: they stay in the cache
CHUNK_ON_DEVICE = 1 << 26


class BatchLogisticRegression:
    """f_b(w) = scale_b sum_i v_bi [y_bi softplus(-z_bi) + (1 - y_bi) softplus(z_bi)] + l2_b/2 ||w||^2,  z_b = X_b w.

    X  (B, n, d), or (n, d) for one that all problems share; dense, its dtype and device are the problems'.
    y  (B, n) or (n,): labels in [0, 1].
    l2: a number, or one for each problem (B,), >= 0. With `fit_intercept` one unpenalised coefficient is appended.
    sample_weight: v, (B, n) or (n,), >= 0; 1 if None. Problems with fewer rows than others have rows of weight 0.
    reduction: "mean" divides by sum_i v_bi, "sum" does not; the penalty is added after it, never divided.

    A problem with an entry that is NaN or infinite is no error: it ends as `diverged`, and its neighbours are solved.
    Raises TypeError or ValueError for shapes that do not match, and for labels, penalties or weights out of range.
    """

    def __init__(
        self,
        X: Tensor,
        y: Tensor,
        l2: float | Tensor = 0.0,
        fit_intercept: bool = False,
        reduction: str = "mean",
        sample_weight: Tensor | None = None,
    ) -> None:
        X = real_tensor("X", X)
        if X.ndim not in (2, 3) or 0 in X.shape[-2:]:
            raise ValueError(f"X must have shape (B, n, d) or (n, d), none of them 0, found {tuple(X.shape)}")
        if reduction not in ("mean", "sum"):
            raise ValueError(f"reduction must be 'mean' or 'sum', found {reduction!r}")
        n = X.shape[-2]
        y, weight = _rows("y", y, X, n), None if sample_weight is None else _rows("sample_weight", sample_weight, X, n)
        l2 = torch.as_tensor(l2, dtype=X.dtype, device=X.device)
        if l2.ndim > 1:
            raise ValueError(f"l2 must be a number or have shape (B,), found {tuple(l2.shape)}")
        sizes = [t.shape[0] for t, dims in ((X, 3), (y, 2), (weight, 2), (l2, 1)) if t is not None and t.ndim == dims]
        if len(set(sizes)) != 1 or sizes[0] == 0:
            raise ValueError(
                f"X (B, n, d), y (B, n), l2 (B,) and sample_weight (B, n) must agree on B > 0, and one of them must "
                f"have it, found {sizes}: for a single problem use LogisticRegression"
            )
        B = sizes[0]
        y, l2 = y.expand(B, n), l2.expand(B).contiguous()
        if bool(((y < 0) | (y > 1)).any()):
            worst = int(((y < 0) | (y > 1)).any(1).nonzero()[0])
            raise ValueError(f"labels must lie in [0, 1], those of problem {worst} do not: map them before")
        if not bool(((l2 >= 0) & l2.isfinite()).all()):
            raise ValueError("every l2 must be a finite number >= 0")
        if weight is not None:
            weight = weight.expand(B, n)
            if not bool(((weight >= 0) & weight.isfinite()).all()) or bool((weight.amax(1) == 0).any()):
                raise ValueError("sample_weight must be finite and >= 0, with a row of positive weight in each problem")
        self.rows, self.y, self.sample_weight, self.l2 = X, y, weight, l2
        self.fit_intercept, self.reduction = bool(fit_intercept), reduction
        self._prepare(B, n)

    def _prepare(self, B: int, n: int) -> None:
        X, y, l2, weight = self.rows, self.y, self.l2, self.sample_weight
        self.size, self.batch = X.shape[-1] + self.fit_intercept, B
        self.shared = X.ndim == 2
        X = X.unsqueeze(0) if self.shared else X
        if self.fit_intercept:
            X = torch.cat([X, X.new_ones(len(X), n, 1)], dim=2)
        if weight is not None and not self.shared:
            X = X.where((weight > 0).unsqueeze(2), 0.0)  # a row of weight 0 may hold anything
        total = y.new_full((B,), float(n)) if weight is None else weight.sum(1)
        scale = total.reciprocal() if self.reduction == "mean" else torch.ones_like(total)
        self.row_scale = scale.unsqueeze(1) if weight is None else weight * scale.unsqueeze(1)  # (B, 1) or (B, n)
        counts = torch.ones_like(y, dtype=torch.bool) if weight is None else weight > 0  # (B, n)
        y = y.where(counts, y[:, :1]) if weight is not None else y
        self.binary = ((y == 0) | (y == 1) | ~counts).all(1)  # (B,)
        ones = ((y == 1) | ~counts).all(1) | ((y == 0) | ~counts).all(1)
        self.one_class = self.binary & ones if self.fit_intercept else torch.zeros_like(self.binary)
        self.counts = None if weight is None else counts
        # Where every label is 0 or 1 margins are sign * z, and one softplus gives the loss.
        self.signs: Tensor | None = None
        self.labels: Tensor | None = None
        self.all_binary = bool(self.binary.all())
        transposed = X.transpose(1, 2)
        if self.all_binary:
            self.signs = 2 * y - 1  # (B, n)
            transposed = transposed if self.shared else transposed * self.signs.unsqueeze(1)
            self.slope_scale = self.signs * -self.row_scale  # (B, n)
        else:
            self.labels = y
            self.slope_scale = self.row_scale
        self.X, self.transposed = X.contiguous(), transposed.contiguous()  # (B or 1, n, D); (B or 1, D, n), signed if B
        penalties = l2.unsqueeze(1).expand(B, self.size).clone()
        if self.fit_intercept:
            penalties[:, -1] = 0
        self.penalties = penalties  # (B, D)
        self.unpenalised = l2 == 0  # (B,)
        self.any_unpenalised = bool(self.unpenalised.any())
        self.strong_convexity = torch.zeros_like(l2) if self.fit_intercept else l2  # (B,)
        squares = torch.linalg.vector_norm(self.X, dim=2).square()  # (B or 1, n)
        counted = squares if self.counts is None else squares.expand(B, n).where(self.counts, 0.0)
        self.norm_squared = counted.sum(1).expand(B)  # (B,), ||X||_F^2
        self.weighted_norm_squared = (self.row_scale * counted).sum(1)  # (B,), scale sum_i v_i ||x_i||^2
        self.longest_row = counted.amax(1).expand(B).sqrt()  # (B,)

    def zeros(self) -> Tensor:
        """The default start, (B, D)."""
        return self.X.new_zeros(self.batch, self.size)

    def at(self, x: Tensor) -> BatchPoint:
        return BatchPoint(self, x)

    def single(self, k: int) -> LogisticRegression:
        """Problem k as an objective of its own, without its rows of weight 0. Raises ValueError if not finite."""
        X, y = self.rows if self.shared else self.rows[k], self.y[k]
        settings: dict[str, Any] = {"l2": float(self.l2[k]), "fit_intercept": self.fit_intercept}
        if self.sample_weight is None:
            return LogisticRegression(X, y, reduction=self.reduction, **settings)
        weight = self.sample_weight[k]
        used = weight > 0
        X, y, weight = X[used], y[used], weight[used]
        if bool((weight == weight[0]).all()) and (self.reduction == "mean" or float(weight[0]) == 1):
            return LogisticRegression(X, y, reduction=self.reduction, **settings)
        return WeightedLogisticRegression(X, y, weight, reduction=self.reduction, **settings)

    def take(self, index: Tensor) -> BatchLogisticRegression:
        """The problems of the given numbers, (b,) int64."""
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        for name in PER_PROBLEM if self.shared else (*PER_PROBLEM, "X", "transposed"):
            value = getattr(self, name)
            setattr(part, name, value if value is None else value.index_select(0, index))
        part.batch = len(index)
        part.rows = part.y = part.sample_weight = None  # `single` belongs to the whole
        return part

    def products(self, w: Tensor) -> Tensor:
        """sign_i x_i w, (B, n), for w (B, D)."""
        if not self.shared:
            return torch.bmm(w.unsqueeze(1), self.transposed).squeeze(1)
        z = w @ self.transposed[0]  # without signs
        return z if self.signs is None else z.mul_(self.signs)

    def margin_increase(self, step: Tensor) -> Tensor:
        """(2 y_i - 1) x_i step, (B, n). For a row whose label is a probability each move counts as wrong."""
        moves = self.products(step)
        if self.labels is None:
            return moves
        return torch.where((self.labels == 0) | (self.labels == 1), (2 * self.labels - 1) * moves, -moves.abs())

    def gram(self, c: Tensor) -> Tensor:
        """X^T diag(c) X, (B, D, D), for c (B, n): a few problems at a time, so that scaled rows stay in the cache."""
        B, n, D = self.batch, self.X.shape[1], self.size
        most = CHUNK if c.device.type == "cpu" else CHUNK_ON_DEVICE
        step = min(B, max(1, most // (n * D)))
        found, scratch = c.new_empty(B, D, D), c.new_empty(step, D, n)
        for k in range(0, B, step):
            out = found[k : k + step]
            here = slice(0, 1) if self.shared else slice(k, k + step)
            scaled = torch.mul(self.transposed[here], c[k : k + step].unsqueeze(1), out=scratch[: len(out)])
            if self.shared:
                torch.mm(scaled.flatten(0, 1), self.X[0], out=out.view(-1, D))
            else:
                torch.bmm(scaled, self.transposed[here].transpose(1, 2), out=out)
        return found


PER_PROBLEM = (
    "l2",
    "row_scale",
    "slope_scale",
    "binary",
    "one_class",
    "counts",
    "signs",
    "labels",
    "penalties",
    "unpenalised",
    "strong_convexity",
    "norm_squared",
    "weighted_norm_squared",
    "longest_row",
)


def _rows(name: str, array: Any, X: Tensor, n: int) -> Tensor:
    """(B, n) or (n,), in the dtype of X."""
    array = real_tensor(name, array).to(X.dtype)
    if array.ndim not in (1, 2) or array.shape[-1] != n:
        raise ValueError(f"{name} must have shape (B, {n}) or ({n},) to match X, found {tuple(array.shape)}")
    if array.device != X.device:
        raise ValueError(f"X is on {X.device} and {name} on {array.device}: move them to one device with .to(...)")
    return array


CARRIED = ("margins", "value", "gradient", "residual_norm")


class BatchPoint:
    """All f_b near one w_b each, from margins that are computed from X every time."""

    def __init__(self, objective: BatchLogisticRegression, x: Tensor) -> None:
        self.objective, self.x = objective, x  # (B, D)

    @cached
    def margins(self) -> Tensor:
        return self.objective.products(self.x)  # (B, n)

    @cached
    def value(self) -> Tensor:
        """(B,)"""
        f, m = self.objective, self.margins
        if f.all_binary:
            gain = softplus(m, beta=-1, threshold=40)  # log sigmoid(m)
        else:
            gain = f.labels * softplus(m, beta=-1, threshold=40) + (1 - f.labels) * softplus(-m, beta=-1, threshold=40)
        total = gain.mul_(f.row_scale).sum(1) if f.row_scale.shape[1] > 1 else gain.sum(1) * f.row_scale[:, 0]
        return 0.5 * (f.penalties * self.x.square()).sum(1) - total

    @cached
    def error_probability(self) -> Tensor:
        """sigmoid(-m), (B, n)."""
        return self.margins.neg().sigmoid_()

    @cached
    def residuals(self) -> Tensor:
        """row_scale times the slope of each row's loss in z, (B, n)."""
        f = self.objective
        if f.all_binary:
            return self.error_probability * f.slope_scale
        return ((1 - f.labels) * torch.sigmoid(self.margins) - f.labels * self.error_probability) * f.slope_scale

    @cached
    def residual_norm(self) -> Tensor:
        """(B,)"""
        return torch.linalg.vector_norm(self.residuals, dim=1)

    @cached
    def gradient(self) -> Tensor:
        """(B, D)"""
        f = self.objective
        if f.shared:
            return torch.addcmul(self.residuals @ f.X[0], f.penalties, self.x)
        return torch.addcmul(torch.bmm(self.residuals.unsqueeze(1), f.X).squeeze(1), f.penalties, self.x)

    @cached
    def hessian(self) -> Tensor:
        """(B, D, D)"""
        f, p = self.objective, self.error_probability
        hessian = f.gram(torch.sigmoid(self.margins).mul_(p).mul_(f.row_scale))
        hessian.diagonal(dim1=1, dim2=2).add_(f.penalties)
        return hessian

    def take(self, objective: BatchLogisticRegression, index: Tensor) -> BatchPoint:
        """The points of the problems that `objective.take(index)` has."""
        part = BatchPoint(objective, self.x.index_select(0, index))
        for name in CARRIED:
            if name in self.__dict__:
                part.__dict__[name] = self.__dict__[name].index_select(0, index)
        return part

    def moved(self, trial: BatchPoint, accepted: Tensor) -> BatchPoint:
        """The trial where it was accepted, (B,), else this point."""
        merged = BatchPoint(self.objective, trial.x.where(accepted.unsqueeze(1), self.x))
        for name in CARRIED:
            new, old = getattr(trial, name), getattr(self, name)
            merged.__dict__[name] = new.where(accepted if new.ndim == 1 else accepted.unsqueeze(1), old)
        return merged

    def gradient_noise(self) -> Tensor:
        """eps (scale ||X||_F ||v residuals|| + l2 ||w||), (B,): see LinearPoint.gradient_noise."""
        f = self.objective
        rows = f.norm_squared.sqrt() * self.residual_norm
        return EPS[self.x.dtype] * (rows + f.l2 * torch.linalg.vector_norm(self.x, dim=1))
