"""Data of several classes, the same bytes for the same seed: sums, products and square roots, as in `synthetic`."""

from __future__ import annotations

import numpy as np
import torch
from numpy.random import SeedSequence, default_rng
from torch import Tensor

from .dataset import Dataset
from .synthetic import mirrored, mirrors


def synthetic_classes(
    n: int, d: int, classes: int, *, steps: int, ratio: float, signal: float, n_test: int = 1000, seed: int = 0
) -> Dataset:
    """X (n, d) normal and correlated, y (n,) in 0, ..., classes - 1, float64; n_test rows more of the same kind.

    steps, ratio: the covariance of the columns has this many different eigenvalues, each `ratio` times the one before,
        in a random basis; ratio 1 means independent columns.
    signal: y_i is the largest of signal z_i + e_i, z_i the logits of normal coefficients, of variance about 1, and e_i
        standard normal: with 0 there is nothing to learn.
    """
    streams = [default_rng(child) for child in SeedSequence(seed).spawn(3)]
    scales = np.sqrt(np.multiply.accumulate(np.where(np.arange(d) * steps % d < steps, ratio, 1.0)) / ratio)  # (d,)
    normals = mirrors(d, streams[2])
    coefficients = streams[2].standard_normal((classes, d)) / np.sqrt(d)
    parts: list[Tensor] = []
    for rows, rng in ((n, streams[0]), (n_test, streams[1])):
        white = rng.standard_normal((rows, d))
        noisy = rng.standard_normal((rows, classes))
        for k, w in enumerate(coefficients):
            noisy[:, k] += signal * (white * w).sum(axis=1)
        X = mirrored(white * scales, normals)
        parts += [torch.as_tensor(X), torch.as_tensor(noisy.argmax(axis=1).astype(np.float64))]
    return Dataset(f"synthetic {n} x {d}, {classes} classes, seed {seed}", *parts)
