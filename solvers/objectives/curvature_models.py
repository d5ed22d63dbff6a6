"""Other curvatures than the Hessian that a point may know, and cheaper ways to its inverse."""

from __future__ import annotations

import torch
from torch import Tensor

from ..linalg.cholesky import Factor
from ..linalg.kronecker import KroneckerFactors


class CurvatureModels:
    """Matrices that some solvers use in place of the Hessian: part of Point. None stands for one that is not known.

    no_gauss_newton, no_factors: why there is no Gauss-Newton matrix or no Kronecker factors, in a sentence that names
    the remedy, where the class of the point has them in general; empty where they are there.
    """

    no_gauss_newton = ""
    no_factors = ""

    @property
    def dual(self) -> tuple[Tensor, Tensor, Tensor, float] | None:
        """X (n, d), X X^T, c (n,) and l2 with H = X^T diag(c) X + l2 I, where they are a cheaper way to H^-1."""
        return None

    def sketched_hessian(self, size: int, generator: torch.Generator) -> Tensor | None:
        """A^T S^T S A + the rest of H, (d, d), with H = A^T A + the rest and a random S of `size` rows."""
        return None

    def newton_solution(self) -> tuple[Factor | None, Tensor | None, float] | None:
        """The Cholesky factor of H, -H^-1 g and its slope, where one call gives all of them; None where none does."""
        return None

    def coarse_hessian(self, precision: str) -> Tensor:
        """H, (d, d), from products in a lower precision (`coarse_gram.PRECISIONS`), as a metric for steps. Here H."""
        return self.hessian

    @property
    def gauss_newton(self) -> Tensor | None:
        """The generalised Gauss-Newton matrix, (d, d), which is positive semidefinite.

        Where f is a convex loss of some outputs, it is the Hessian less the curvature of the outputs (Schraudolph 2002,
        Neural Computation 14, p. 1723); where the outputs are linear, it is the Hessian.
        """
        return None

    def gnvp(self, v: Tensor) -> Tensor:
        """The product of the Gauss-Newton matrix with v, (d,)."""
        return self.gauss_newton @ v

    @property
    def kronecker_factors(self) -> KroneckerFactors | None:
        """Of the Gauss-Newton matrix of a model made of linear layers."""
        return None
