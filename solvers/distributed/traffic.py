"""What a run over processes sends, by formula: from the evaluations that it counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Traffic(NamedTuple):
    """Collectives, and the bytes of the tensors that one process gives to them."""

    collectives: int
    bytes: int


def traffic(counters: Mapping[str, int], visits: int, size: int, itemsize: int, separable: bool) -> Traffic:
    """Of a linear model with `size` coefficients, whose solver reached so many points.

    A value at a new point brings the gradient, in 1 + d numbers; one of a trial along a ray has its slope, and the
    gradient follows where it is asked for. A Hessian, or a sketch of it, has d (d + 1) / 2, a product, a diagonal or a
    third derivative d. The clock of the first process is one number in float64 at each point, and before and after the
    run. separable: whether each value also counts the rows on the wrong side, for a model without a penalty. Left out
    are numbers that bound rounding errors, a few in each test of convergence.
    """
    trials = min(counters["line_search_trials"], counters["values"])
    fresh = counters["values"] - trials
    vectors = max(counters["gradients"] - fresh, 0)
    vectors += sum(counters[name] for name in ("hessian_diagonals", "hessian_vector_products", "third_derivatives"))
    numbers = fresh * (1 + size) + 2 * trials + separable * counters["values"]
    matrices = counters["hessians"] + counters["sample_hessians"]
    numbers += vectors * size + matrices * size * (size + 1) // 2
    clock = visits + 2
    collectives = counters["values"] + vectors + matrices + clock
    return Traffic(collectives, numbers * itemsize + 8 * clock)
