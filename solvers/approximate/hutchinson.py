"""Diagonal Newton with a diagonal that is estimated from a few Hessian-vector products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.instrumentation import phase
from ..common.validation import below_one, count, positive, whole
from ..core.solver import Proposal, setting, towards
from ..line_search.search import LineSearch
from ..objectives.base import Point

ATTEMPTS = 3  # searches that may fail in a row


class Estimate(NamedTuple):
    """The weighted sum of the estimates, their number, the last iterate, and how many searches from it failed."""

    sum: Tensor | None = None  # (d,)
    count: int = 0
    last: Point | None = None
    failures: int = 0


@dataclass(frozen=True)
class HutchinsonNewton(LineSearch):
    """x+ = x - t g / max(|D|, floor max|D|),  D the mean of z * H z over random signs z; t from backtracking.

    E[z * H z] = diag H, and exactly so for a diagonal H: off the diagonal z_j z_k H_jk has mean 0. Each step draws
    `probes` vectors z and forgets the earlier estimates by `average`, for the Hessian changes: D is their mean with
    weights 1, average, average^2, ... (Bekas, Kokiopoulou & Saad 2007, Appl. Numer. Math. 57, p. 1214; averaged over
    steps by Yao et al. 2021, AAAI, p. 10665.) The larger floor than DampedDiagonalNewton's is for estimates that come
    out near 0. seed: of the draws, which are made in float64 on the CPU, the same for every device.
    """

    needs = "hvp"
    probes: int = setting(1, whole)
    average: float = setting(0.9, below_one)
    floor: float = setting(1e-3, positive)
    seed: int = setting(0, count)

    def init(self, point: Point) -> Estimate:
        return Estimate()

    def propose(self, point: Point, state: Estimate) -> Proposal:
        fresh = self.estimate(point, state.count)
        total = fresh if state.sum is None else self.average * state.sum + fresh
        failures = state.failures + 1 if state.last is point else 0
        after = Estimate(total, state.count + 1, point, failures) if failures <= ATTEMPTS else state
        sizes = total.abs()  # the sum of the weights scales the step, not `floor`
        sizes = torch.maximum(sizes, sizes.max() * self.floor) / self.weight(state.count + 1)
        return towards(point, -point.gradient / sizes.where(sizes > 0, 1.0), after)

    def weight(self, count: int) -> float:
        """1 + average + ... + average^(count - 1)."""
        return (1 - self.average**count) / (1 - self.average)

    def estimate(self, point: Point, number: int) -> Tensor:
        """The mean of z * H z over the probes of that step, (d,)."""
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * number)
        total = torch.zeros_like(point.x)
        with phase("hessian"):
            for _ in range(self.probes):
                z = (2 * torch.randint(2, point.x.shape, generator=generator) - 1).to(point.x)
                total = total + z * point.hvp(z)
        return total / self.probes
