"""MNIST as rows of pixels: the digits themselves, or one view for training and another for testing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ..loaders.dataset import Dataset
from .augmentation import two_views
from .views import MNISTTwoView


def mnist(
    *,
    views: bool = False,
    pool: int = 1,
    rows: int | None = None,
    seed: int = 0,
    folder: Path | str | None = None,
    download: bool = False,
) -> Dataset:
    """X (60,000, 784) and X_test (10,000, 784) in [0, 1], float64; y the digits 0..9.

    views: X is view 1 of the training digits and X_test view 2 of the test digits, both drawn by `seed`; otherwise
        the originals.
    pool: means over blocks of pool x pool pixels, (28 / pool)^2 columns. rows: only the first so many of each part.
    Raises DataError for files that are missing or wrong.
    """
    parts: list[Tensor] = []
    for which, train in enumerate((True, False)):
        digits = MNISTTwoView(folder, train=train, download=download)
        images, labels = digits.images[:rows], digits.labels[:rows]
        if views:
            generator = torch.Generator().manual_seed(2 * seed + which)
            images = two_views(images, generator)[which]
        else:
            images = images.to(torch.float64) / 255
        parts += [_pooled(images.double(), pool), labels.double()]
    return Dataset("two-view MNIST" if views else "MNIST", *parts)


def odd_even() -> Dataset:
    """MNIST with label 1 for odd digits."""
    digits = mnist()
    return replace(digits, name="MNIST, odd or even", y=digits.y % 2, y_test=digits.y_test % 2)


def _pooled(images: Tensor, pool: int) -> Tensor:
    """(n, 1, s, s) as rows of means over blocks."""
    return (avg_pool2d(images, pool) if pool > 1 else images).flatten(1)
