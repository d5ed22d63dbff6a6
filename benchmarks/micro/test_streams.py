"""A pass over rows on a disk, beside plain reads of the same file and the same rows in memory."""

from __future__ import annotations

import os

import pytest
import torch

from solvers.distributed import RowStream
from solvers.distributed.stream import StreamWriter
from solvers.objectives import LogisticRegression

BLOCKS, ROWS, COLUMNS = 16, 20_000, 100  # 256 MB in float64, which the machine may hold in its cache of files


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    generator = torch.Generator().manual_seed(0)
    with StreamWriter(folder, "a benchmark") as writer:
        for _ in range(BLOCKS):
            X = torch.randn(ROWS, COLUMNS, generator=generator, dtype=torch.float64)
            writer.append(X, torch.bernoulli(torch.sigmoid(X[:, 0]), generator=generator))
        writer.finish("float64", "dense")
    stream = RowStream(folder)
    for _ in stream.blocks():  # its checksums
        pass
    return stream


def read(stream: RowStream) -> None:
    """Nothing but the reads."""
    buffer = memoryview(bytearray(stream.size // stream.count))
    with open(stream.folder / "rows.bin", "rb", buffering=0) as file:
        while os.readv(file.fileno(), [buffer]):
            pass


@pytest.mark.parametrize("where", ["disk", "memory"])
@pytest.mark.parametrize("what", ["margins", "gradient", "product", "hessian"])
def test_pass(benchmark, stream, what, where):
    """The derivatives of logistic regression, one thread."""
    X = stream if where == "disk" else torch.cat([block.clone() for _, block in stream.blocks()])
    f = LogisticRegression(X, stream.y, l2=1e-3)
    w = torch.full((COLUMNS,), 0.01, dtype=torch.float64)
    known = f.at(w)
    margins, _ = known.margins, known.curvature

    def evaluate() -> object:
        if what == "margins":
            return f.margins(w)
        point = type(known)(f, w, margins)
        return point.hvp(w) if what == "product" else getattr(point, what)

    benchmark.group = f"a pass: {what}"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    benchmark(evaluate)
    torch.set_num_threads(threads)


def test_plain_reads(benchmark, stream):
    benchmark.group = "a pass: margins"
    benchmark(read, stream)
