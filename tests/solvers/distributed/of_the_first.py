"""A plug-in: problems that only the first process can build, as where only it has the file."""

from __future__ import annotations

import os

import torch

from datasets import Problem
from solvers.objectives import LogisticRegression, SoftmaxRegression


def rows(dtype):
    assert os.environ["RANK"] == "0", "only the first process has the rows"
    X = torch.randn(31, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(dtype)
    return X, (torch.arange(31) * 7 % 3)


def dense(dtype, device):
    X, y = rows(dtype)
    f = LogisticRegression(X, (y > 0).to(X), l2=1e-2, fit_intercept=True)
    return Problem("dense-of-the-first", "31 x 4", f, None, f.zeros(), "dense")


def sparse(dtype, device):
    X, y = rows(dtype)
    f = SoftmaxRegression(torch.where(X > 0.5, X, 0.0).to_sparse_csr(), y, l2=1e-2)
    return Problem("sparse-of-the-first", "31 x 4, CSR", f, None, f.zeros(), "sparse")


PROBLEMS = {"dense-of-the-first": dense, "sparse-of-the-first": sparse}
