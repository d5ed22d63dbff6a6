"""K-FAC: a Kronecker-factored Gauss-Newton matrix for the direction, the exact one for the step length."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.instrumentation import count, phase
from ..common.validation import EPS, fraction, positive
from ..core.solver import DirectionalSolver, Proposal, setting
from ..linalg.kronecker import KroneckerFactors, kronecker_inverse
from ..line_search.backtracking import step_below_rounding, trial_step
from ..newton.adaptive_shift import GROWTH, increased, nielsen
from ..objectives.base import Point

NO_LAYERS = (
    "this objective has no Kronecker factors of its layers, as ModuleObjective, ResidualMLP and linear models do: take "
    "a method that needs none, such as newton-cg or lbfgs"
)
FALL = 10.0  # of lambda where it makes the gain fall below rounding level
PARALLEL = 1e-8  # a determinant below this share of the product of two curvatures is rounding


class Memory(NamedTuple):
    """The state: lambda and the least it may become, the factor by which the next rejection raises it, and the last
    step that was taken, (d,)."""

    size: float
    least: float
    growth: float = GROWTH
    last: Tensor | None = None


@dataclass(frozen=True)
class KFAC(DirectionalSolver):
    """x+ = x + s,  s = a u + b (last step),  u = -B~^-1 g, taken if f(x) - f(x + s) > eta0 * (gain of the model).

    B is the Gauss-Newton matrix, which is the Fisher matrix of a squared error or a cross-entropy, and B~ its diagonal
    blocks, one for each layer, as Kronecker products, with damping lambda factored into both sides
    (`kronecker_inverse`). a and b minimise the quadratic model with B + lambda I itself over the plane of u and the
    last step, by two products with B; so s always descends, and the model gains -g^T s / 2. With q the gain of f over
    that of the model, a step that is taken multiplies lambda by max(1/3, 1 - (2 q - 1)^3), one that is not by
    2, 4, 8, ... (Nielsen 1999, IMM-REP-1999-05, eq. 2.4, in the place of the paper's factors of 0.95^5). It starts at
    initial_shift times the largest diagonal entry of a block.
    (Martens & Grosse 2015, arXiv:1503.05671: sections 3, 4.2 and 6.3 to 6.5, momentum 7. The expectation over the
    model's outputs is exact, all rows count, and gamma^2 is lambda and the penalty throughout.)

    momentum: without it b = 0, and one product is saved.
    """

    needs = "kronecker_factors"
    initial_shift: float = setting(1e-2, positive)
    eta0: float = setting(1e-4, fraction)
    # Iterations until f <= 1e-3 and 1e-5 on mlp-breast-cancer: < 200 and > 719 by x + u, 18 and 53 without b, 11
    # and 27 with both. f after 200 on mlp-breast-cancer-mean10, seven starts' median: 0.018 without b, 0.012 with both.
    momentum: bool = True

    def why_unsuited(self, point: Point) -> str:
        return NO_LAYERS if type(point).kronecker_factors is Point.kronecker_factors else point.no_factors

    def init(self, point: Point) -> Memory:
        size = largest(point.kronecker_factors)
        return Memory(self.initial_shift * size, EPS[point.x.dtype] ** 2 * size)

    def propose(self, point: Point, state: Memory) -> Proposal | None:
        while math.isfinite(state.size):
            if (found := kronecker_inverse(point.kronecker_factors, state.size)) is not None:
                return self.measured(point, -found.solve(point.gradient), state)
            count("shifted")
            state = increased(state)
        return None

    def measured(self, point: Point, direction: Tensor, state: Memory) -> Proposal:
        """The minimiser of g^T s + s^T (B + lambda I) s / 2 over the plane of a direction and the last step."""
        with phase("solve"):
            second = [state.last] if self.momentum and state.last is not None else []
            plane = torch.stack([direction, *second])  # (1 or 2, d)
            products = torch.stack([point.gnvp(v) for v in plane]) + state.size * plane
            curvatures, slopes = plane @ products.T, plane @ point.gradient
            numbers = torch.cat([curvatures, slopes.unsqueeze(1)], dim=1).tolist()  # one reading of the device
            lengths = minimiser(numbers)
            step = plane.new_tensor(lengths) @ plane
            return Proposal(step, sum(t * row[-1] for t, row in zip(lengths, numbers, strict=True)), state)

    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Memory]:
        state, slope, step = proposal.state, proposal.slope, proposal.direction
        trial, ratio = trial_step(point, step, -0.5 * slope)
        if ratio is None:
            free = state.size > state.least and state.growth == GROWTH
            energy = state.size * float(torch.dot(step, step)) if free else 0.0
            reached, short = step_below_rounding(point, trial, step, slope, energy)
            lower = max(state.size / FALL, state.least)
            return reached, state._replace(size=lower, growth=GROWTH) if short else state
        if not ratio > self.eta0:  # NaN, too
            return point, increased(state)
        return trial, Memory(max(state.size * nielsen(ratio), state.least), state.least, GROWTH, step)


def minimiser(rows: list[list[float]]) -> list[float]:
    """c with M c = -b for the one or two rows of [M b]; the second is left out where it is parallel to the first, and
    the first keeps its own length where it has no curvature."""
    if len(rows) == 2:
        (p, q, b), (_, r, c) = rows
        determinant = p * r - q * q
        if determinant > PARALLEL * p * r:
            return [(q * c - r * b) / determinant, (q * b - p * c) / determinant]
    curvature, slope = rows[0][0], rows[0][-1]
    return [-slope / curvature if curvature > 0 else 1.0, 0.0][: len(rows)]


def largest(factors: KroneckerFactors) -> float:
    """The largest diagonal entry of a block; 1 where all are 0."""
    return max(float(left.diagonal().max() * right.diagonal().max()) for left, right in factors.layers) or 1.0
