"""Rows on a disk: the objective and the solvers are those of rows in memory, and damage is one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from solvers import SOLVERS, Status, Stop, minimize
from solvers.distributed import RowStream
from solvers.distributed.rows import part_of
from solvers.distributed.stream import StreamError, StreamWriter
from solvers.objectives import LogisticRegression, SoftmaxRegression

ROOT = Path(__file__).resolve().parents[3]
N, D, A_BLOCK = 300, 5, 37  # rows, columns, rows of a block: the last one has fewer


def rows(kind: str = "dense", dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    """X and labels 0 and 1 that overlap."""
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(N, D, generator=generator, dtype=torch.float64)
    y = (X.sum(1) + 2 * torch.randn(N, generator=generator, dtype=torch.float64) > 0).double()
    X = X.where(X.abs() > 0.4, 0.0).to(dtype)
    return (X.to_sparse_csr() if kind == "csr" else X), y


def written(folder: Path, X: torch.Tensor, y: torch.Tensor) -> Path:
    """X and y as a folder of many small blocks."""
    with StreamWriter(folder, "a test") as writer:
        for start in range(0, len(y), A_BLOCK):
            part = X.to_dense()[start : start + A_BLOCK]
            writer.append(part.to_sparse_csr() if X.is_sparse_csr else part, y[start : start + A_BLOCK])
        writer.finish(str(X.dtype).removeprefix("torch."), "csr" if X.is_sparse_csr else "dense")
    return folder


def logistic(X, y, l2, fit_intercept):
    return LogisticRegression(X, y, l2, fit_intercept)


def probabilities(X, y, l2, fit_intercept):
    return LogisticRegression(X, 0.1 + 0.8 * y, l2, fit_intercept)


def softmax(X, y, l2, fit_intercept):
    return SoftmaxRegression(X, y + (torch.arange(N) % 3 == 0), 3, l2, fit_intercept)


MODELS = (logistic, probabilities, softmax)


@pytest.fixture
def pair(request, tmp_path):
    """The same objective over rows in memory and on a disk."""
    model, kind, l2, fit_intercept = request.param
    X, y = rows(kind)
    stream = RowStream(written(tmp_path / "rows", X, y))
    return model(X, y, l2, fit_intercept), model(stream, stream.y, l2, fit_intercept)


PAIRS = [
    (model, kind, l2, fit_intercept)
    for model in MODELS
    for kind in ("dense", "csr")
    for l2, fit_intercept in ((1e-2, True), (0.0, True), (1e-2, False))
]


@pytest.mark.parametrize(
    "pair", PAIRS, indirect=True, ids=lambda pair: "-".join(map(str, (pair[0].__name__, *pair[1:])))
)
def test_derivatives_are_those_of_rows_in_memory(pair):
    memory, disk = pair
    generator = torch.Generator().manual_seed(1)
    x, v = (torch.randn(memory.size, generator=generator, dtype=torch.float64) for _ in range(2))
    here, there = memory.at(x), disk.at(x)
    near = {"rtol": 1e-11, "atol": 1e-12}
    for name in ("value", "gradient", "hessian", "hessian_diagonal"):
        torch.testing.assert_close(getattr(there, name), getattr(here, name), **near)
    torch.testing.assert_close(there.hvp(v), here.hvp(v), **near)
    torch.testing.assert_close(there.along(v).third_derivative(), here.along(v).third_derivative(), **near)
    torch.testing.assert_close(disk.curvature_bound(), memory.curvature_bound(), **near)
    torch.testing.assert_close(disk.diagonal_curvature_bound(), memory.diagonal_curvature_bound(), **near)
    torch.testing.assert_close(disk.second_moments, memory.second_moments, **near)
    torch.testing.assert_close(disk.reach(v), memory.reach(v), **near)
    for name in ("gradient_noise", "rounding_gap"):
        assert getattr(there, name)() == pytest.approx(getattr(here, name)(), rel=1e-9)
    assert disk.nullity == memory.nullity and disk.accuracy(x) == memory.accuracy(x)


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("model", [logistic, softmax])
def test_a_derivative_is_one_pass(model, kind, fit_intercept, tmp_path):
    stream = RowStream(written(tmp_path / "rows", *rows(kind)))
    f = model(stream, stream.y, 1e-2, fit_intercept)
    x = torch.full((f.size,), 0.1, dtype=torch.float64)
    point = f.at(x)
    for name in ("value", "gradient", "hessian", "hessian_diagonal", "curvature"):
        _ = getattr(f.at(x), name)  # the first that is asked for has the margins yet to compute
    _ = f.at(x).hvp(x)
    for name in ("value", "gradient", "hessian", "hessian_diagonal"):
        stream.forget_counts()
        getattr(point, name)
        assert stream.passes == 1 and stream.bytes == sum(block.bytes for block in stream.header.blocks), name
    stream.forget_counts()
    point.hvp(x)
    assert stream.passes == 1
    stream.forget_counts()
    ray = point.along(x)
    assert stream.passes == 1
    for t in (1.0, 0.5, 0.25):
        assert ray.at(t).float_value > 0 and ray.slope(ray.at(t))
    assert stream.passes == 1  # a trial needs none


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_reaches_the_minimiser_of_rows_in_memory(name, tmp_path):
    X, y = rows()
    stream = RowStream(written(tmp_path / "rows", X, y))
    memory, disk = LogisticRegression(X, y, 1e-2, True), LogisticRegression(stream, stream.y, 1e-2, True)
    stop = Stop(iterations=60)
    here, there = (minimize(SOLVERS[name], f, stop=stop) for f in (memory, disk))
    assert there.status == here.status
    assert float(there.value) == pytest.approx(float(here.value), rel=1e-9)
    if there.status == Status.CONVERGED:
        exact = minimize(SOLVERS["newton"], memory, stop=Stop(gap_tolerance=0.0))
        assert float(memory.at(there.x).value - exact.value) <= 2e-10 * float(exact.value)


READS = ("margins", "gradients", "hessians", "hessian_diagonals", "hessian_vector_products", "third_derivatives")


def test_solvers_that_need_fewer_passes_show_it(tmp_path):
    """And the counters of a run tell them, but for one in its test of convergence."""
    X, y = rows()
    stream = RowStream(written(tmp_path / "rows", X, y))
    f, passes = LogisticRegression(stream, stream.y, 1e-2, True), {}
    for name in ("newton", "gradient-descent", "newton-cg", "newton-chebyshev", "lbfgs"):
        stream.forget_counts()
        result = minimize(SOLVERS[name], f, stop=Stop(iterations=200))
        passes[name] = stream.passes
        counted = sum(result.counters[counter] for counter in READS)
        assert counted <= stream.passes <= counted + result.counters["stopping_tests"]
    assert passes["newton"] < passes["newton-cg"] < passes["gradient-descent"]


@pytest.mark.parametrize("make", ["separable", "quasi-separable", "one class"])
def test_where_there_is_no_minimiser_the_same_is_said(make, tmp_path):
    X, y = rows()
    if make == "separable":
        y = (X[:, 0] > 0).double()
        X[:, 0] += 0.1 * (2 * y - 1)
    elif make == "quasi-separable":
        X = torch.cat([X, ((y > 0) & (torch.arange(N) % 5 == 0)).double().unsqueeze(1)], dim=1)
    else:
        y = torch.ones_like(y)
    stream = RowStream(written(tmp_path / "rows", X, y))
    stop = Stop(iterations=60)
    here = minimize(SOLVERS["newton-cholesky"], LogisticRegression(X, y, fit_intercept=True), stop=stop)
    there = minimize(SOLVERS["newton-cholesky"], LogisticRegression(stream, stream.y, fit_intercept=True), stop=stop)
    assert there.status == here.status == Status.SEPARABLE
    assert there.message == here.message


def test_float32_is_decided_in_float64_by_passes(tmp_path):
    X, y = rows(dtype=torch.float32)
    stream = RowStream(written(tmp_path / "rows", X, y))
    assert stream.dtype == torch.float32
    f = LogisticRegression(stream, stream.y, 1e-2, True)
    assert f.in_double().X.dtype == torch.float64
    assert minimize(SOLVERS["newton-cholesky"], f, stop=Stop(gap_tolerance=1e-6)).status == Status.CONVERGED
    w = torch.full((D + 1,), 0.3, dtype=torch.float64)
    exact = LogisticRegression(X.double(), y, 1e-2, True).at(w)
    torch.testing.assert_close(f.in_double().at(w).hessian, exact.hessian, rtol=1e-12, atol=1e-12)


def test_shares_are_all_rows_once(tmp_path):
    X, y = rows()
    folder = written(tmp_path / "rows", X, y)
    parts = [RowStream(folder, rank, 3) for rank in range(3)]
    joined = torch.cat([block.clone() for part in parts for _, block in part.blocks()])
    assert torch.equal(joined, X) and torch.equal(torch.cat([part.y for part in parts]), y)
    f = LogisticRegression(RowStream(folder), 1 - y, 1e-2, True)  # whose y need not be the stored one
    parts = [part_of(f, rank, 3) for rank in range(3)]
    assert torch.equal(torch.cat([part.y for part in parts]), 1 - y)
    w = torch.full((D + 1,), 0.2, dtype=torch.float64)
    losses = [float(part.at(w).value - 5e-3 * D * 0.04) * len(part.X) for part in parts]
    assert sum(losses) / N == pytest.approx(float(f.at(w).value) - 5e-3 * D * 0.04, rel=1e-12)
    with pytest.raises(StreamError, match="too few for 100 processes"):
        RowStream(folder, 0, 100)


def test_rows_are_taken_in_the_order_asked_for(tmp_path):
    X, y = rows()
    f = LogisticRegression(RowStream(written(tmp_path / "rows", X, y)), y)
    chosen = torch.tensor([299, 0, 36, 37, 37, 120])
    assert torch.equal(f.sample(chosen).X, X[chosen])


def damage(folder: Path, how: str) -> None:
    path = folder / ("targets.bin" if "targets" in how else "rows.bin")
    content = bytearray(path.read_bytes())
    if how.endswith("changed"):
        content[1200] ^= 4
    elif how.endswith("truncated"):
        del content[-8:]
    elif how == "longer":
        content += b"more"
    elif how == "header":
        path = folder / "stream.json"
        content = path.read_bytes().replace(b'"rows": 37', b'"rows": 36', 1)
    elif how == "no header":
        return (folder / "stream.json").unlink()
    path.write_bytes(content)
    return None


DAMAGES = {
    "rows changed": "rows 0 to 36 in .* have changed since the conversion",
    "rows truncated": "is truncated: .* bytes, where .* were written",
    "longer": "is too long",
    "targets changed": "targets.bin is truncated or has changed",
    "targets truncated": "targets.bin is truncated or has changed",
    "header": "stream.json has changed since the conversion",
    "no header": "holds no converted rows",
}


@pytest.mark.parametrize("how", DAMAGES)
def test_damage_is_one_sentence(how, tmp_path):
    folder = written(tmp_path / "rows", *rows())
    damage(folder, how)
    with pytest.raises(StreamError, match=DAMAGES[how]) as raised:
        stream = RowStream(folder)
        minimize(SOLVERS["newton"], LogisticRegression(stream, stream.y, 1e-2))
    assert "\n" not in str(raised.value) and str(folder) in str(raised.value)


def test_a_file_that_is_replaced_between_passes_is_noticed(tmp_path):
    folder = written(tmp_path / "rows", *rows())
    stream = RowStream(folder)
    f = LogisticRegression(stream, stream.y, 1e-2)
    w = torch.ones(D, dtype=torch.float64)
    _ = f.at(w).gradient
    found = os.stat(folder / "rows.bin")
    damage(folder, "rows changed")
    os.utime(folder / "rows.bin", ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    with pytest.raises(StreamError, match="changed while it was in use"):
        _ = f.at(w + 1).gradient


def test_a_pass_that_is_left_leaves_no_thread_and_the_next_one_is_whole(tmp_path):
    X, y = rows()
    stream = RowStream(written(tmp_path / "rows", X, y))
    blocks = stream.blocks()
    next(blocks)
    with pytest.raises(RuntimeError, match="one at a time"):
        next(stream.blocks())
    blocks.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "read-ahead"]
    assert torch.equal(torch.cat([block.clone() for _, block in stream.blocks()]), X)


MEASURE = """
import resource, sys, torch
from solvers import SOLVERS, Stop, minimize
from solvers.distributed import RowStream
from solvers.objectives import LogisticRegression
torch.set_num_threads(1)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
def run(folder):
    stream = RowStream(folder)
    return minimize(SOLVERS["newton-cholesky"], LogisticRegression(stream, stream.y, 1e-2, True))
assert run(sys.argv[1]).status == "converged"
before = peak()
assert run(sys.argv[2]).status == "converged"
print(peak() - before)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path):
    """A file of 64 MB costs a fraction of it: the buffers, and vectors of one number for each of its rows."""
    generator = np.random.default_rng(0)
    for name, blocks in (("small", 2), ("large", 64)):
        with StreamWriter(tmp_path / name, "a test") as writer:
            for _ in range(blocks):
                X = torch.from_numpy(generator.standard_normal((512, 256)))
                writer.append(X, (X[:, 0] + torch.from_numpy(generator.standard_normal(512)) > 0).double())
            writer.finish("float64", "dense")
    size = (tmp_path / "large" / "rows.bin").stat().st_size
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "small"), str(tmp_path / "large")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    shutil.rmtree(tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < size / 4
