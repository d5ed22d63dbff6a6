"""Data of several classes whose labels are drawn from a known softmax model."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from .dataset import Dataset


def synthetic_classes(
    n: int, d: int, classes: int, *, decay: float, signal: float, n_test: int = 1000, seed: int = 0
) -> Dataset:
    """X (n, d) normal and correlated, y (n,) in 0, ..., classes - 1, float64; n_test rows more of the same kind.

    decay: the covariance of the columns has eigenvalues proportional to j^-decay, and trace d, in a random basis; 0
        means independent columns.
    signal: y_i is drawn from softmax(signal z_i), z_i the logits of normal coefficients, of variance about 1.
    """
    generator = Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    spectrum = torch.arange(1, d + 1, dtype=torch.float64) ** -decay
    basis, _ = torch.linalg.qr(normal(d, d))
    mix = (spectrum * (d / spectrum.sum())).sqrt().unsqueeze(1) * basis.T  # (d, d)
    W = normal(d, classes) / d**0.5
    parts: list[Tensor] = []
    for rows in (n, n_test):
        X = normal(rows, d) @ mix
        p = torch.softmax(signal * (X @ W), dim=1)
        parts += [X, torch.multinomial(p, 1, generator=generator).squeeze(1).double()]
    return Dataset(f"synthetic {n} x {d}, {classes} classes, seed {seed}", *parts)
