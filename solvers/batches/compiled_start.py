"""The first steps of a batch by compiled kernels: each problem by itself, up to where it may have converged."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..common.validation import EPS
from ..core.stopping import Stop, allowed_gap
from ..newton.cholesky import CholeskyNewton
from ..objectives.linear.compiled_point import MOST_ENTRIES, WIDEST, computed_by_torch, kernels
from ..objectives.linear.margins import REFRESH
from ..objectives.rounding import ROUNDING
from .logistic import BatchLogisticRegression

TOGETHER = 64  # problems between two looks at the clock


def compiled_start(
    solver: Any, f: BatchLogisticRegression, x: Tensor, floor: Tensor, stop: Stop, late: Callable[[], bool]
) -> tuple[Tensor, Tensor] | None:
    """x (B, d) and the accepted steps (B,) after CholeskyNewton's own steps; None where kernels are not for the batch.

    A problem is left where half its squared Newton decrement is within the gap tolerance, where rounding hides what a
    step gains, or where something unusual happens: whether and how it ends there is decided by the batch. So a wrong
    number here would cost steps, and make no claim.
    floor: (B,), added to the allowed gap. late: whether the time is over.
    """
    X = f.transposed  # (B or 1, d, n)
    small = X.device.type == "cpu" and X[0].numel() <= MOST_ENTRIES and f.size <= WIDEST
    plain = f.all_binary and f.sample_weight is None and X.dtype in (torch.float32, torch.float64)
    if not (small and plain and type(solver) is CholeskyNewton) or stop.gap_tolerance is None or computed_by_torch():
        return None
    if kernels() is None:
        return None
    kind = x.numpy().dtype.type
    _warm_up(kind)
    eps = EPS[x.dtype]
    rule = np.array(
        [
            allowed_gap(stop.gap_tolerance, 1.0, 0.0, eps),
            min(stop.iterations, 1 << 62),
            solver.shrink,
            solver.sufficient,
            ROUNDING * eps,
            stop.stop_when_separable,
            REFRESH,
        ],
        np.float64,
    )
    bound = floor.double().masked_fill(f.one_class, math.inf)  # these have no minimiser to go to
    ends, steps = x.numpy().copy(), np.zeros(f.batch, np.int64)
    scales = f.row_scale[:, 0].contiguous().numpy()
    signs = f.signs if f.shared else torch.ones_like(f.signs)  # X that is not shared has them already
    given = [signs.numpy(), f.penalties.numpy(), scales, f.unpenalised.numpy()]
    after = [bound.numpy(), ends, steps]
    rows = X.numpy()

    def part(k: int) -> None:
        if late():
            return
        here = slice(k, k + TOGETHER)
        of_these = rows[here] if len(rows) > 1 else rows
        kernels().descend(of_these, *(a[here] for a in given), rule, *(a[here] for a in after))

    starts, threads = range(0, f.batch, TOGETHER), torch.get_num_threads()
    if threads == 1 or len(starts) == 1:
        for k in starts:
            part(k)
    else:
        with ThreadPoolExecutor(threads) as pool:  # the kernels hold no lock of the interpreter
            list(pool.map(part, starts))
    return torch.from_numpy(ends), torch.from_numpy(steps)


@cache
def _warm_up(kind: Any) -> None:
    """Compile, or load what an earlier process has compiled."""
    rows, ones = np.ones((1, 1, 2), kind), np.ones((1, 1), kind)
    rule = np.array([1.0, 1.0, 0.5, 1e-4, 1e-15, 0.0, 1.0])
    signs, none = np.ones((1, 2), kind), np.zeros(1, bool)
    kernels().descend(rows, signs, ones, ones[0], none, rule, np.zeros(1), ones.copy(), np.zeros(1, np.int64))
