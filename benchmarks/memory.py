"""asv: peak memory of a whole run, on the host and on a device."""

from __future__ import annotations

import torch

from .grid import DTYPES, FULL, available, fixed

SIZES = ("20000 x 100",) + (("200000 x 100", "1000000 x 50") if FULL else ())


class HostMemory:
    """Two iterations on the CPU: the peak of the whole process, with torch and the data in it."""

    version = "1"
    params = (("newton-cholesky", "newton-cg"), SIZES, DTYPES)
    param_names = ("solver", "size", "dtype")
    device = "cpu"

    def setup(self, solver: str, size: str, dtype: str) -> None:
        from solvers import SOLVERS

        if solver not in SOLVERS:
            raise NotImplementedError(f"this commit has no {solver}")
        self.solver, self.place = SOLVERS[solver], available(self.device)

    def solve(self, size: str, dtype: str) -> None:
        from solvers import minimize
        from solvers.objectives import LogisticRegression

        n, d = map(int, size.split(" x "))
        X = torch.randn(n, d, dtype=getattr(torch, dtype), generator=torch.Generator().manual_seed(0)).to(self.place)
        minimize(self.solver, LogisticRegression(X, (X[:, 0] > 0).to(X.dtype), l2=1 / n), stop=fixed(2))

    def peakmem_two_iterations(self, solver: str, size: str, dtype: str) -> None:
        self.solve(size, dtype)


class DeviceMemory(HostMemory):
    """The same on a GPU: the most that torch allocated there, data included."""

    device = "cuda"
    peakmem_two_iterations = None

    def track_two_iterations(self, solver: str, size: str, dtype: str) -> float:
        torch.cuda.reset_peak_memory_stats(self.place)
        self.solve(size, dtype)
        return float(torch.cuda.max_memory_allocated(self.place))

    track_two_iterations.unit = "bytes"
