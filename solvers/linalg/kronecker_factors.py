"""Kronecker factors: what a model made of linear layers tells of its Gauss-Newton matrix, layer by layer."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class KroneckerFactors(NamedTuple):
    """The diagonal blocks of the Gauss-Newton matrix, each as about left (x) right + penalty I.

    Layer by layer, in the order of x: left (p, p) and right (q, q), symmetric and positive semidefinite; the layer's
    part of x is a matrix (p, q), row by row, biases included. For a layer a = W^T h + b and a loss that sums over rows,
    the block is sum_i (h_i h_i^T) (x) (J_i^T C_i J_i), h with a 1 appended for the bias, J = d outputs / d a and C the
    Hessian of the row's loss in the outputs; its factors are the mean of the first and the sum of the second, so
    that it is exact for one row, and wherever inputs and slopes of the outputs are independent (Martens & Grosse 2015,
    arXiv:1503.05671, section 3). For a squared error or cross-entropy C is the covariance of the gradients under the
    model's own predictive distribution, so that this is its Fisher matrix (the same, section 2).
    """

    layers: list[tuple[Tensor, Tensor]]
    penalty: float = 0.0
