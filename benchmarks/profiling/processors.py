"""Other machines, imitated on this one: processors whose kernels round differently, and perturbed data.

A result may differ from machine to machine in its last digits. These find what else would differ.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from solvers.objectives import Objective, ResidualMLP

# Variables that choose the kernels of torch, MKL and oneDNN, and with them the order in which sums are rounded. They
# are read once, when a process starts to compute.
PROCESSORS = {
    "as it is": {},
    "AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "SSE4.2": {"ATEN_CPU_CAPABILITY": "default", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    "compatible": {"MKL_CBWR": "COMPATIBLE", "OMP_NUM_THREADS": "1"},
}
PERTURBATION = 1e-13  # relative: some hundred times what the order of a sum changes


@contextmanager
def environment_of(variables: dict[str, str]) -> Iterator[None]:
    """These environment variables, for the processes that are started in the context."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def perturbed(objective: Objective, seed: int) -> Objective:
    """The same objective over rows X (1 + PERTURBATION r), r standard normal for each entry that is not zero."""
    f, generator = objective, torch.Generator().manual_seed(seed)

    def scaled(X: torch.Tensor) -> torch.Tensor:
        return X * (1 + PERTURBATION * torch.randn(X.shape, generator=generator, dtype=X.dtype))

    if f.X.layout == torch.sparse_csr:
        parts = f.X.crow_indices(), f.X.col_indices(), scaled(f.X.values())
        X = torch.sparse_csr_tensor(*parts, f.X.shape, check_invariants=False)
    else:
        X = scaled(f.X)
    return ResidualMLP(X, f.Y, f.depth, f.activation) if isinstance(f, ResidualMLP) else f.over(X)
