"""What an iteration costs: overhead, passes over the data, Hessian and factorisation, fitted to stored runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares, nnls

from benchmarks.work import Shape, linear_work

ROWS = ("values", "gradients", "hessians", "hessian_diagonals", "hessian_vector_products", "line_search_trials")
PASSES = ("margins", "gradients", "hessian_vector_products", "hessian_diagonals")
SYSTEMS = ("factorisations", "lu_factorisations", "eigendecompositions", "solves")
EVENTS = (*dict.fromkeys((*ROWS, *PASSES, "factorisations", "eigendecompositions", "solves")),)

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
        "X passes": byte * sum(e[name] * work[name].bytes for name in PASSES),
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
        """Seconds of an iteration by what they go to: overhead, X passes, Hessian, factorisation."""
        found: dict[str, float] = {}
        for term, seconds in terms(iteration).items():
            part = term.split(" of ")[0].split(":")[0]
            found[part] = found.get(part, 0.0) + self.coefficients.get(term, 0.0) * seconds
        return found

    def seconds(self, iteration: Iteration) -> float:
        return sum(self.parts(iteration).values())


def fit(iterations: Sequence[Iteration], seconds: Sequence[float]) -> CostModel:
    """min over c >= 0 of sum rho(ln(sum_j c_j t_ij / y_i)^2): relative errors, and rho (soft L1) lets few runs be far
    off. It begins at the non-negative least squares of sum_j c_j t_ij / y_i = 1."""
    found = [terms(iteration) for iteration in iterations]
    names = list(dict.fromkeys(name for row in found for name in row))
    y = np.asarray(seconds, dtype=float)
    T = np.array([[row.get(name, 0.0) for name in names] for row in found]) / y[:, None]
    scale = np.linalg.norm(T, axis=0)
    scale[scale == 0] = 1.0
    start, _ = nnls(T / scale, np.ones(len(y)))
    least = 1e-6 * start.max()  # within the bounds, so that each may grow
    best = least_squares(
        lambda c: np.log(T / scale @ c),
        np.maximum(start, least),
        jac=lambda c: T / scale / (T / scale @ c)[:, None],
        bounds=(1e-3 * least, np.inf),
        loss="soft_l1",
        f_scale=ROUGH,
    )
    return CostModel(
        dict(zip(names, best.x / scale, strict=True)), frozenset(iteration.solver for iteration in iterations)
    )
