"""Sparse problems as they come from categories and from words, the same bytes for the same seed."""

from __future__ import annotations

import numpy as np
import torch
from numpy.random import Generator, SeedSequence, default_rng
from scipy.sparse import csr_matrix

from .dataset import Dataset, csr_tensor


def one_hot(n: int = 8000, columns: int = 20, categories: tuple[int, int] = (5, 20), seed: int = 0) -> Dataset:
    """Categorical columns, one-hot encoded: a row has a 1 for each; n // 4 test rows from the same distribution.

    The number of categories of a column is drawn from the range, both ends included; the k-th of them has the share
    sqrt((k + 1) / m) - sqrt(k / m), so that the first is common and the last rare. Every category has a normal
    coefficient, and a label says whether their sum over the row, plus noise of the same size, is positive.
    """
    streams = [default_rng(child) for child in SeedSequence(seed).spawn(3)]
    sizes = streams[2].integers(categories[0], categories[1] + 1, size=columns)
    starts, d = np.cumsum(sizes) - sizes, int(sizes.sum())
    w = streams[2].standard_normal(d)
    parts: list[torch.Tensor] = []
    for rows, rng in ((n, streams[0]), (n // 4, streams[1])):
        u = rng.random((rows, columns))
        places = starts + (sizes * (u * u)).astype(np.int64)  # (rows, columns)
        X = csr_matrix((np.ones(places.size), places.ravel(), np.arange(0, places.size + 1, columns)), (rows, d))
        parts += [csr_tensor(X), _labels(X, w, columns**0.5, rng)]
    return Dataset(f"one-hot {n} x {d}, seed {seed}", *parts)


def hashed(n: int = 100_000, d: int = 1_000_000, words: tuple[int, int] = (30, 75), seed: int = 0) -> Dataset:
    """Counts of words in rows of length 1; n // 10 test rows from the same distribution.

    The number of words of a row is drawn from the range, both ends included. The k-th most frequent of d words has the
    share ((k + 1) / d)^(1/3) - (k / d)^(1/3), a power law, and its column is drawn. Every word has a normal
    coefficient, and a label says whether their sum over the row, plus noise of the same size, is positive.
    """
    streams = [default_rng(child) for child in SeedSequence(seed).spawn(3)]
    column, w = streams[2].permutation(d), streams[2].standard_normal(d)
    parts: list[torch.Tensor] = []
    for rows, rng in ((n, streams[0]), (n // 10, streams[1])):
        lengths = rng.integers(words[0], words[1] + 1, size=rows)
        u = rng.random(int(lengths.sum()))
        pointers = np.concatenate([[0], np.cumsum(lengths)])
        X = csr_matrix((np.ones(len(u)), column[(d * (u * u * u)).astype(np.int64)], pointers), (rows, d))
        X.sum_duplicates()
        norms = np.sqrt(np.add.reduceat(X.data * X.data, X.indptr[:-1]))
        X.data /= np.repeat(norms, np.diff(X.indptr))
        parts += [csr_tensor(X), _labels(X, w, 1.0, rng)]
    return Dataset(f"hashed {n} x {d}, seed {seed}", *parts)


def _labels(X: csr_matrix, w: np.ndarray, noise: float, rng: Generator) -> torch.Tensor:
    """1 where x_i w + noise is positive, (n,): noise times a normal number."""
    z = np.add.reduceat(X.data * w[X.indices], X.indptr[:-1])
    return torch.as_tensor((z + noise * rng.standard_normal(len(z)) > 0).astype(np.float64))
