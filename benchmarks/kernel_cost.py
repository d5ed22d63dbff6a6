"""asv: the time of the operations of an iteration."""

from __future__ import annotations

import torch

from .grid import DEVICES, DTYPES, FULL, available, first_of, synchronised

SIZES = ("398 x 30", "20000 x 100") + (("200000 x 100", "20000 x 500") if FULL else ())


class Kernels:
    """Seconds of one evaluation at a new point of logistic regression, including its margins where it needs them."""

    version = "1"
    params = (SIZES, DTYPES, DEVICES)
    param_names = ("size", "dtype", "device")
    timer = staticmethod(synchronised)
    number = 20

    def setup(self, size: str, dtype: str, device: str) -> None:
        from solvers.objectives import LogisticRegression

        self.factor = first_of("solvers.linalg.cholesky", "solvers.linear_algebra").factor
        n, d = map(int, size.split(" x "))
        place = available(device)
        generator = torch.Generator().manual_seed(0)
        X = torch.randn(n, d, generator=generator, dtype=torch.float64)
        y = torch.bernoulli(torch.sigmoid(X.sum(1) / d**0.5), generator=generator)
        X, y = (part.to(place, getattr(torch, dtype)) for part in (X, y))
        self.objective = LogisticRegression(X, y, l2=1 / n)
        self.x = torch.full((d,), 0.1, dtype=X.dtype, device=place)
        self.v = torch.linspace(-1, 1, d, dtype=X.dtype, device=place)
        self.point = self.objective.at(self.x)
        self.ray = self.point.along(self.v)
        self.hessian = self.point.hessian
        self.time_hessian(size, dtype, device)  # fills the caches of the objective

    def fresh(self):
        """A point whose only cached result is the margins."""
        return type(self.point)(self.objective, self.x, self.point.margins)

    def time_value(self, size: str, dtype: str, device: str) -> None:
        float(self.objective.at(self.x).value)

    def time_gradient(self, size: str, dtype: str, device: str) -> None:
        _ = self.fresh().gradient

    def time_hessian(self, size: str, dtype: str, device: str) -> None:
        _ = self.fresh().hessian

    def time_hessian_vector_product(self, size: str, dtype: str, device: str) -> None:
        self.point.hvp(self.v)

    def time_cholesky_solve(self, size: str, dtype: str, device: str) -> None:
        self.factor(self.hessian).solve(self.v)

    def time_line_search_trial(self, size: str, dtype: str, device: str) -> None:
        float(self.ray.at(0.5).value)
