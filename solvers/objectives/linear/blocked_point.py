"""Points of linear models whose X is read block by block: what in memory reads X twice or more takes one pass here."""

from __future__ import annotations

import torch
from torch import Tensor

from ...common.blocked_rows import add_transposed_product
from ...common.cached import cached
from ...linalg.kernels import add_lower_gram, mirrored
from .logistic_point import LogisticPoint
from .softmax_point import SoftmaxPoint


class BlockedLogisticPoint(LogisticPoint):
    """f near w: Hessian and product with it by one pass each."""

    @cached
    def hessian(self) -> Tensor:
        f, c = self.objective, self.curvature
        gram, border = f.penalty_matrix.clone(), c.new_zeros(f.X.shape[1])
        for rows, block in f.X.blocks():
            add_lower_gram(gram, block, c[rows], f.scale)
            if f.fit_intercept:
                add_transposed_product(border, block, c[rows])
        return _bordered(mirrored(gram), border * f.scale, c.sum() * f.scale) if f.fit_intercept else mirrored(gram)

    def coarse_hessian(self, precision: str) -> Tensor:
        return self.hessian  # it is the disk that takes time, and a copy of X would not fit

    def hvp(self, v: Tensor) -> Tensor:
        f, c = self.objective, self.curvature
        d = f.X.shape[1]
        product = torch.zeros_like(v)
        for rows, block in f.X.blocks():
            moved = block @ v[:d]
            moved = (moved.add_(v[-1]) if f.fit_intercept else moved).mul_(c[rows])
            add_transposed_product(product[:d], block, moved)
            if f.fit_intercept:
                product[-1] += moved.sum()
        product.mul_(f.scale)
        return product if f.l2 == 0 else product.add_(f.penalised(v))


class BlockedSoftmaxPoint(SoftmaxPoint):
    """f near w: Hessian, its blocks of one class and product with it by one pass each."""

    @cached
    def hessian(self) -> Tensor:
        f = self.objective
        K, m = f.classes, f.size // f.classes
        blocks = self._grams([(j, k) for j in range(K) for k in range(j + 1)])
        hessian = self.x.new_empty(K, m, K, m)
        for (j, k), block in blocks.items():
            hessian[j, :, k] = hessian[k, :, j] = block
        return self._penalised(hessian.view(f.size, f.size))

    @cached
    def hessian_block_diagonal(self) -> Tensor:
        blocks = torch.stack([*self._grams([(k, k) for k in range(self.objective.classes)]).values()])
        for block, penalties in zip(blocks, self.objective.rows(self.objective.penalties), strict=True):
            block.diagonal().add_(penalties)
        return blocks

    def _penalised(self, hessian: Tensor) -> Tensor:
        hessian.diagonal().add_(self.objective.penalties)
        return hessian

    def _grams(self, pairs: list[tuple[int, int]]) -> dict[tuple[int, int], Tensor]:
        """The blocks of these pairs of classes, without the penalty, (m, m) each."""
        f, p, d, curvature = self.objective, self.probabilities.p, self.objective.X.shape[1], self.curvature
        grams = {pair: p.new_zeros(d, d) for pair in pairs}
        borders = {pair: p.new_zeros(d) for pair in pairs}
        sums = dict.fromkeys(pairs, p.new_zeros(()))
        for rows, block in f.X.blocks():
            for j, k in pairs:
                c = curvature[rows, k] if j == k else -p[rows, j] * p[rows, k]
                add_lower_gram(grams[j, k], block, c, f.scale)
                if f.fit_intercept:
                    add_transposed_product(borders[j, k], block, c * f.scale)
                    sums[j, k] = sums[j, k] + c.sum() * f.scale
        if not f.fit_intercept:
            return {pair: mirrored(gram) for pair, gram in grams.items()}
        return {pair: _bordered(mirrored(gram), borders[pair], sums[pair]) for pair, gram in grams.items()}

    @cached
    def hessian_diagonal(self) -> Tensor:
        f, d, curvature = self.objective, self.objective.X.shape[1], self.curvature  # before the pass: it takes one
        sums = self.x.new_zeros(d, f.classes)
        for rows, block in f.X.blocks():
            add_transposed_product(sums, _squared(block), curvature[rows])
        diagonal = sums.T
        if f.fit_intercept:
            diagonal = torch.cat([diagonal, curvature.sum(0).unsqueeze(1)], dim=1)
        return (diagonal * f.scale).flatten() + f.penalties

    def hvp(self, v: Tensor) -> Tensor:
        f, p, d = self.objective, self.probabilities.p, self.objective.X.shape[1]
        V = f.rows(f.centred(v))
        sums = self.x.new_zeros(d + f.fit_intercept, f.classes)
        for rows, block in f.X.blocks():
            U = block @ V[:, :d].T
            U = U.add_(V[:, -1]) if f.fit_intercept else U
            U -= (p[rows] * U).sum(1, keepdim=True)
            U *= p[rows]
            add_transposed_product(sums[:d], block, U)
            if f.fit_intercept:
                sums[-1] += U.sum(0)
        product = sums.T - sums.T.mean(0)  # as in `transposed_product`
        product = product * f.scale
        return (product + f.penalised(v)).flatten() if f.l2 > 0 else product.flatten()


def _squared(block: Tensor) -> Tensor:
    if block.layout != torch.sparse_csr:
        return block.square()
    parts = block.crow_indices(), block.col_indices(), block.values().square()
    return torch.sparse_csr_tensor(*parts, block.shape, check_invariants=False)


def _bordered(block: Tensor, border: Tensor, corner: Tensor) -> Tensor:
    """With the row and the column of the intercept last."""
    matrix = block.new_empty(len(block) + 1, len(block) + 1)
    matrix[:-1, :-1] = block
    matrix[-1, :-1] = matrix[:-1, -1] = border
    matrix[-1, -1] = corner
    return matrix
