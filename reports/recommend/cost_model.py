"""What an iteration costs: overhead, passes over the data, Hessian and factorisation, fitted to stored runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares, nnls

from benchmarks.profiling.work import Shape, linear_work

ROWS = ("values", "gradients", "hessians", "hessian_diagonals", "hessian_vector_products", "line_search_trials")
PASSES = ("margins", "gradients", "hessian_vector_products", "hessian_diagonals")
SYSTEMS = ("factorisations", "lu_factorisations", "eigendecompositions", "solves")
EVENTS = (*dict.fromkeys((*ROWS, *PASSES, "factorisations", "eigendecompositions", "solves")),)

PASS = "X passes"
CACHE = 2**26  # bytes: an X beyond is read from memory each time (a core shares 32 MiB with others, or less)
# What a term takes at least, as a multiple of the calibration: a kernel is a kernel; caches are some times as fast as
# memory; matrices of other sizes than the calibrated ones are multiplied and factored up to some times as fast.
LEAST = {
    "overhead of an event": 1.0,
    "X passes: rows": 0.25,
    PASS: 0.25,
    "Hessian": 0.5,
    "factorisation": 0.3,
}
MOST = {PASS: 10.0, "Hessian": 10.0, "factorisation": 10.0}  # beyond, it is overhead that small problems show
ROUGH = 0.3  # errors of ln(seconds) up to here are those of the formulas; larger ones count as disturbances


@dataclass(frozen=True)
class Iteration:
    """A typical iteration of a solver on data of a shape: counter -> events (a fraction where not each iteration has
    one), and what the machine reaches, as the calibration of a run has it."""

    solver: str
    events: Mapping[str, float]
    shape: Shape
    calibration: Mapping[str, float]


def terms(iteration: Iteration) -> dict[str, float]:
    """Seconds of each part of an iteration if this machine did it as fast as its calibration says.

    overhead: a small kernel for each iteration and for each event, X passes: a triad over the bytes of X and of what is
    done once a row, Hessian: SYRK, factorisation: POTRF.
    """
    e, f, c = iteration.events, iteration.shape, iteration.calibration
    work = linear_work(f)
    kernel, byte = 1e-6 * c["kernel_us"], 1e-9 / c["triad_gbs"]
    return {
        f"overhead of {iteration.solver}": kernel,
        "overhead of an event": kernel * sum(e[name] for name in EVENTS),
        "X passes: rows": byte * f.rows * f.classes * f.item * sum(e[name] for name in ROWS),
        PASS: byte * sum(e[name] * work[name].bytes for name in PASSES),
        "Hessian": 1e-9 / c["syrk_gflops"] * e["hessians"] * work["hessians"].flops,
        "factorisation": 1e-9 / c["potrf_gflops"] * sum(e[name] * work[name].flops for name in SYSTEMS),
    }


@dataclass(frozen=True)
class CostModel:
    """seconds = sum over terms of coefficient x seconds by the calibration; a coefficient is how many times as long as
    the calibration a term takes. solvers: those it was fitted to."""

    coefficients: Mapping[str, float]
    solvers: frozenset[str]

    def parts(self, iteration: Iteration) -> dict[str, float]:
        """Seconds of an iteration by what they go to: overhead, X passes, Hessian, factorisation. A pass over an X that
        no cache holds takes as long as the memory at least, however fast the passes of the fit were."""
        found: dict[str, float] = {}
        for term, seconds in terms(iteration).items():
            part = term.split(" of ")[0].split(":")[0]
            least = 1.0 if term == PASS and beyond_cache(iteration.shape) else 0.0
            found[part] = found.get(part, 0.0) + max(self.coefficients.get(term, 0.0), least) * seconds
        return found

    def seconds(self, iteration: Iteration) -> float:
        return max(sum(self.parts(iteration).values()), floor(iteration))


def beyond_cache(shape: Shape) -> bool:
    """Whether X must be read from memory in each pass."""
    return shape.stored * (shape.item + shape.index) > CACHE


def floor(iteration: Iteration) -> float:
    """Seconds below which no iteration can be: its FLOPs at the rate of the fastest product or factorisation, or, where
    X is beyond any cache, its bytes at that of the memory, whichever takes longer, event by event."""
    f, c = iteration.shape, iteration.calibration
    flops = 1e9 * max(c.get(name, 0.0) for name in ("gemm_gflops", "syrk_gflops", "potrf_gflops"))
    memory = 1e9 * c["triad_gbs"] if beyond_cache(f) else math.inf
    found, work = 0.0, linear_work(f)
    for name in (*PASSES, "hessians", *SYSTEMS):
        half = 2 if name == "hessians" else 1  # its formula counts both halves of a symmetric product
        found += iteration.events[name] * max(work[name].flops / half / flops, work[name].bytes / memory)
    return found


def fit(iterations: Sequence[Iteration], seconds: Sequence[float]) -> CostModel:
    """min over LEAST <= c <= MOST of sum rho(ln(sum_j c_j t_ij / y_i)^2): relative errors, and rho (soft L1) lets few
    runs be far off. Of a term that the data do not show, as large products in small problems, the least is left. It
    begins at the non-negative least squares of sum_j c_j t_ij / y_i = 1."""
    found = [terms(iteration) for iteration in iterations]
    names = list(dict.fromkeys(name for row in found for name in row))
    y = np.asarray(seconds, dtype=float)
    T = np.array([[row.get(name, 0.0) for name in names] for row in found]) / y[:, None]
    scale = np.linalg.norm(T, axis=0)
    scale[scale == 0] = 1.0
    start, _ = nnls(T / scale, np.ones(len(y)))
    least = np.maximum([LEAST.get(name, 0.0) for name in names] * scale, 1e-9 * start.max())
    most = np.maximum([MOST.get(name, math.inf) for name in names] * scale, 2 * least)
    room = np.where(np.isinf(most), np.maximum(start.max(), least), most - least)
    margin = 1e-6 * room  # within the bounds, so that each may move
    best = least_squares(
        lambda c: np.log(T / scale @ c),
        np.clip(start, least + margin, most - margin),
        jac=lambda c: T / scale / (T / scale @ c)[:, None],
        bounds=(least, most),
        loss="soft_l1",
        f_scale=ROUGH,
    )
    return CostModel(
        dict(zip(names, best.x / scale, strict=True)), frozenset(iteration.solver for iteration in iterations)
    )
