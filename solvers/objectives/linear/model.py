"""Linear models: what their objectives share, the data and what is computed from it once."""

from __future__ import annotations

import torch
from torch import Tensor

from ...common.blocked_rows import BlockedRows
from ...common.cached import cached
from ...common.scalars import squared
from ...common.validation import penalty, reduction_scale
from ...linalg.exact_rank import exact_rank
from ...linalg.kernels import (
    is_sparse,
    norm,
    row_sums_of_absolute_gram,
    short_indices,
    squares_of,
    stored_entries,
    transposed,
    weighted_gram,
)
from ..base import Objective

MOST_RANKED = 1000  # columns of the widest X whose exact rank is computed
DOUBLED = 1 << 26  # entries of the largest X that is copied to float64 where float32 is too coarse: half a gigabyte
COLUMNS_A_GRADIENT = 30  # of a dense X whose part of the Hessian takes as long as a gradient: it is compute-bound


class LinearModel(Objective):
    """f(w) = scale sum_i loss_i(X W) + l2/2 ||w||^2, with `classes` columns of W, each with its intercept last, if any.

    A subclass defines `logits`, `margins`, `transposed_product` and `penalised`. What is `cached` is computed in the
    first run that needs it, outside of its inference mode: the next run may use autograd.
    """

    closed_form = convex = True

    def __init__(
        self, X: Tensor, y: Tensor, l2: float, fit_intercept: bool, reduction: str, *, classes: int = 1
    ) -> None:
        self.X, self.y = X, y
        self.l2 = penalty(l2, X)
        self.fit_intercept = bool(fit_intercept)
        self.reduction = reduction
        self.scale = reduction_scale(reduction, len(X))
        self.size = classes * (X.shape[1] + self.fit_intercept)
        self.strong_convexity = 0.0 if self.fit_intercept else self.l2
        self.hessian_price = (classes + 1) / 2 * hessian_price(X)  # a block for each pair of classes
        self.X_short = short_indices(X)  # what products with X are computed from

    def zeros(self) -> Tensor:
        """The default start, w = 0."""
        return torch.zeros(self.size, dtype=self.X.dtype, device=self.X.device)

    def penalised(self, w: Tensor) -> Tensor:
        """The gradient of the penalty."""
        raise NotImplementedError

    def over(self, X: Tensor) -> LinearModel:
        """The same with other rows X (n, d), in their precision."""
        raise NotImplementedError

    def in_double(self) -> LinearModel | None:
        """The same in float64; None where the copy would be large, or the device has no float64."""
        copied = not isinstance(self.X, BlockedRows)
        if is_sparse(self.X) or (copied and self.X.numel() > DOUBLED) or self.X.device.type == "mps":
            return None
        double = self.over(self.X.double())
        double.scale = self.scale
        return double

    def centred(self, direction: Tensor) -> Tensor:
        """The direction without its component along which f is known to be constant everywhere."""
        return direction

    def signed_rows(self, fixed: Tensor) -> Tensor | None:
        """Rows r (m, size): each w with r w >= 0 for all of them moves none of these margins the wrong way.

        r w = 0 where it does not move them. None: too expensive.
        """
        return None

    def span(self, direction: Tensor) -> Tensor:
        """max_k |v_kj - v_lj| over the pairs of classes, (d [+ 1],): |v| where there is one coefficient per column."""
        return direction.abs()

    def row_reach(self, sizes: Tensor) -> Tensor:
        """sum_j |x_ij| sizes_j, (n,), for sizes (d [+ 1],) >= 0; several at once as columns."""
        columns = self.X.shape[1]
        return self.X.abs() @ sizes[:columns] + (sizes[-1] if self.fit_intercept else 0.0)

    @property
    def penalties(self) -> Tensor:
        """The diagonal of the penalty's Hessian, (size,)."""
        return self.penalised(torch.ones_like(self.zeros())).flatten()

    @cached
    def _transposed(self) -> Tensor:
        with torch.inference_mode(False):
            return transposed(self.X)

    @cached
    def _copies(self) -> dict[torch.dtype, Tensor]:
        return {self.X.dtype: self.X}

    def rows_in(self, dtype: torch.dtype) -> Tensor:
        """A dense X in a lower precision, copied once."""
        if dtype not in self._copies:
            with torch.inference_mode(False):
                self._copies[dtype] = self.X.to(dtype)
        return self._copies[dtype]

    @cached
    def squares(self) -> Tensor | None:
        with torch.inference_mode(False):
            return squares_of(self.X, self._transposed)

    @cached
    def norm_squared(self) -> float:
        """||X||_F^2, with the intercept's column; infinite where it overflows in X's precision."""
        return squared(norm(self.X)) + self.fit_intercept * len(self.y)

    @cached
    def second_moments(self) -> Tensor:
        """1/n X^T X, with the intercept's column of ones last, (d [+ 1], d [+ 1])."""
        with torch.inference_mode(False):
            (n, d), ones = self.X.shape, torch.ones_like(self.y, dtype=self.X.dtype)
            gram = weighted_gram(self.X, ones, ones.new_zeros(d, d), 1 / n, self._transposed)
            if not self.fit_intercept:
                return gram
            border = torch.cat([self._transposed @ ones, ones.sum().unsqueeze(0)]) / n
            return torch.cat([torch.cat([gram, border[:-1].unsqueeze(0)]), border.unsqueeze(1)], dim=1)

    @cached
    def nullity(self) -> int | None:
        """The dimension of the v with X v = 0 exactly, the intercept's column beside X; None where X is too wide."""
        columns = self.X.shape[1] + self.fit_intercept
        with torch.inference_mode(False):
            return columns - exact_rank(self.X, self.fit_intercept) if columns <= MOST_RANKED else None

    @property
    def null_space_dimension(self) -> int | None:
        """How many independent directions the loss is constant along.

        With K > 1 classes: m for the same vector in every class, and K - 1 times the null space of X.
        """
        m = self.X.shape[1] + self.fit_intercept
        others = self.size // m - 1
        return None if self.nullity is None else m * (others > 0) + max(others, 1) * self.nullity

    def row_sums_of_gram(self) -> Tensor:
        """b, (d [+ 1],), with diag(b) - X^T X positive semidefinite, X with its intercept's column of ones.

        b_j = sum_i |x_ij| ||x_i||_1, the row sums of |X|^T |X|: what is left is diagonally dominant. (As in de Pierro
        1995, IEEE Trans. Med. Imaging 14, p. 132, where convexity is used instead, row by row.)
        """
        products, sums = row_sums_of_absolute_gram(self.X)
        if not self.fit_intercept:
            return products
        return torch.cat([products + sums, (sums.sum() + len(self.y)).unsqueeze(0)])


def hessian_price(X: Tensor) -> float:
    """The Hessian's time in gradients. A sparse X saves its zeros in a gradient, and not in a Hessian by dense blocks.

    On 200,000 x 100 it took 3.7 gradients, on a9a (32,561 x 123, of which 11 % are stored) 36.
    """
    stored = stored_entries(X) / max(X.numel(), 1) if is_sparse(X) else 1.0
    return X.shape[1] / COLUMNS_A_GRADIENT / max(stored, 1e-9)
