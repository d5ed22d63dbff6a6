"""Small problems over two processes: the same in one process and in shards."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from solvers import SOLVERS, Stop
from solvers.distributed import RowStream
from solvers.distributed.rows import some_rows
from solvers.distributed.stream import StreamWriter
from solvers.objectives import FunctionObjective, LeastSquares, LogisticRegression, ModuleObjective, SoftmaxRegression

N, D, FIRST = 200, 6, 130  # rows, columns, rows of the first process
ALL, SHARDS = slice(0, N), (slice(0, FIRST), slice(FIRST, N))


def rows() -> tuple[Tensor, Tensor, Tensor]:
    """X, labels 0 and 1 that overlap, and labels of three classes, the last only in the second process."""
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(N, D, generator=generator, dtype=torch.float64)
    noise = torch.randn(N, generator=generator, dtype=torch.float64)
    y = (X.sum(1) + 2 * noise > 0).double()
    classes = y.long()
    classes[FIRST:][X[FIRST:, 0] + noise[FIRST:] > 0] = 2
    return X, y, classes


def on_disk(X: Tensor, y: Tensor) -> RowStream:
    """The same rows in two blocks, those of the first process and of the second."""
    folder = tempfile.mkdtemp()
    with StreamWriter(folder, "a case") as writer:
        for part in SHARDS:
            writer.append(some_rows(X, part), y[part])
        writer.finish("float64", "csr" if X.is_sparse_csr else "dense")
    return RowStream(folder)


def problem(name: str, part: slice) -> Any:
    """The objective of that name over some of the rows."""
    X, y, classes = rows()
    last, first = X[:, 0] + 0.1, torch.where(torch.arange(N) < FIRST, 0.0, 1.0).double()
    if name == "logistic-float32":
        return LogisticRegression(X[part].float(), y[part].float(), 1e-2)
    if name == "logistic-sparse":
        return LogisticRegression(X.where(X > 0.3, 0.0)[part].to_sparse_csr(), y[part], 1e-2, fit_intercept=True)
    if name in ("stream", "stream-sparse"):
        X = X if name == "stream" else X.where(X > 0.3, 0.0).to_sparse_csr()
        return LogisticRegression(on_disk(X, y).share(SHARDS.index(part), 2)[0] if part != ALL else X, y[part], 1e-2)
    if name == "logistic-free":
        return LogisticRegression(X[part], y[part], fit_intercept=True)
    if name == "probabilities":
        return LogisticRegression(X[part], torch.where(torch.arange(N) < FIRST, y, 0.8 * y + 0.1)[part], 1e-2)
    if name == "sum":
        return LogisticRegression(X[part], y[part], 1.0, reduction="sum")
    if name == "dependent":  # the last column repeats the first
        return LogisticRegression(torch.cat([X, X[:, :1]], dim=1)[part], y[part])
    if name == "a-class-a-process":
        return LogisticRegression(X[part], first[part], 1e-2, fit_intercept=True)
    if name == "one-class":
        return LogisticRegression(X[part], torch.ones_like(y)[part], 1e-2, fit_intercept=True)
    if name == "separable":
        return LogisticRegression(X[part], (last > 0).double()[part], fit_intercept=True)
    if name == "quasi-separable":  # one column moves the rows of class 1 in the second process alone
        step = torch.where((torch.arange(N) >= FIRST) & (y > 0), 1.0, 0.0)
        return LogisticRegression(torch.cat([X, step.double().unsqueeze(1)], dim=1)[part], y[part])
    if name == "softmax":
        return SoftmaxRegression(X[part], classes[part], None, 1e-2)
    if name == "softmax-free":
        return SoftmaxRegression(X[part], classes[part], 3, fit_intercept=True)
    if name.startswith("module"):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(D, 3), torch.nn.Tanh(), torch.nn.Linear(3, 3)).double()
        if part == SHARDS[1]:  # the weights of the first process count
            torch.nn.init.zeros_(model[0].weight)
        loss = torch.nn.CrossEntropyLoss(reduction="sum" if name == "module-sum" else "mean")
        chunks = 25 if name == "module-chunks" else None
        return ModuleObjective(model, loss, X[part], classes[part], 0.1, rows_per_chunk=chunks)
    if name == "least-squares":
        return LeastSquares(lambda w: (X[part] @ w.square()) - y[part])
    if name == "function":
        return FunctionObjective(lambda w: (X[part] @ w - y[part]).cosh().log().sum(), torch.zeros(D).double())
    return LogisticRegression(X[part], y[part], 1e-2)


SLOW = {"gradient-descent", "newton-diagonal", "diagonal-majoriser", "nesterov", "gradient-descent-armijo"}
ITERATIONS = 30
FEW = ["newton-cholesky", "newton-cg", "lbfgs", "trust-region-exact"]
OTHERS = {
    "logistic-float32": FEW,
    "logistic-sparse": [*FEW, "newton-fixed-hessian", "kfac"],
    "logistic-free": FEW,
    "stream": [*FEW, "newton-fixed-hessian", "kfac", "newton-diagonal-damped"],
    "stream-sparse": FEW,
    "probabilities": FEW,
    "sum": FEW,
    "dependent": ["newton-cholesky", "trust-region-exact"],
    "a-class-a-process": FEW,
    "one-class": ["newton-cholesky"],
    "separable": ["newton-cholesky", "lbfgs"],
    "quasi-separable": ["newton-cholesky", "newton-cg"],
    "softmax": [*FEW, "newton-fixed-hessian", "kfac", "diagonal-majoriser"],
    "softmax-free": ["newton-cg", "lbfgs"],
    "module": ["newton-cholesky", "newton-cg", "gauss-newton", "kfac", "lbfgs"],
    "module-chunks": ["newton-cg", "kfac"],
    "module-sum": ["gauss-newton", "kfac"],
    "least-squares": ["newton-levenberg", "gauss-newton", "levenberg-marquardt", "lbfgs"],
    "function": FEW,
}
CASES = [("logistic", solver) for solver in SOLVERS] + [(name, one) for name, some in OTHERS.items() for one in some]


def start(name: str) -> Tensor | None:
    return torch.linspace(0.3, 0.6, D, dtype=torch.float64) if name == "least-squares" else None


def stop(name: str, solver: str) -> Stop:
    limit = Stop(iterations=ITERATIONS if solver in SLOW or name.startswith("module") else 1000)
    return replace(limit, gap_tolerance=1e-4) if name == "logistic-float32" else limit
