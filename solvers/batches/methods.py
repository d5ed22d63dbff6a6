"""The methods of a batch: directions of all problems at once, and which of the trials are accepted.

A round of `minimize_batch` is one trial of each problem. A rejected one stays where it is and tries again in the next
round, with a shorter step or a larger shift: so each has its own line search, and none waits for another.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..common.validation import EPS
from ..gradient.armijo import ArmijoGradientDescent
from ..gradient.descent import GradientDescent
from ..line_search.backtracking import ROUNDING_TRIALS
from ..newton.cholesky import FULL, CholeskyNewton
from ..newton.levenberg import LevenbergNewton
from ..objectives.rounding import ROUNDING
from .logistic import BatchPoint

State = dict[str, Tensor]  # of each problem, (B,)
TRIALS = 100  # of a line search, before a problem leaves the batch


class Direction(NamedTuple):
    """What a method proposes for each problem. slope: g^T d."""

    step: Tensor  # (B, d), the trial less x
    slope: Tensor  # (B,), along that step
    known: Tensor  # (B,), whether the method's system could be solved


class Judgement(NamedTuple):
    """accepted, failed: (B,) of bool. A failed problem leaves the batch, for `minimize` to say what is wrong."""

    accepted: Tensor
    failed: Tensor
    state: State


class Solved(NamedTuple):
    """The Newton system of each problem, scaled by its diagonal: see `linalg.cholesky.Factor`."""

    direction: Tensor  # (B, d), -H^-1 g
    slope: Tensor  # (B,)
    least_pivot: Tensor  # (B,), the smallest squared diagonal entry of the factor; -1 where there is none


def solve(matrix: Tensor, gradient: Tensor) -> Solved:
    scale = matrix.diagonal(dim1=1, dim2=2).rsqrt()  # (B, d), NaN or infinite where there is no factor
    scaled = (matrix * scale.unsqueeze(1)).mul_(scale.unsqueeze(2))
    lower, info = torch.linalg.cholesky_ex(scaled)
    direction = torch.cholesky_solve((scale * gradient).unsqueeze(2), lower).squeeze(2).mul_(scale).neg_()
    least = lower.diagonal(dim1=1, dim2=2).amin(1).square()
    regular = (info == 0) & direction.isfinite().all(1)
    return Solved(direction, dot(gradient, direction), least.where(regular, -1.0))


def dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(1)


def resolution(point: BatchPoint) -> Tensor:
    """The change of each f that rounding hides."""
    return ROUNDING * EPS[point.x.dtype] * point.value.abs()


class Newton:
    """x+ = x - t H^-1 g, t by backtracking: CholeskyNewton."""

    needs = "hessian"

    def __init__(self, solver: CholeskyNewton) -> None:
        self.solver = solver

    def init(self, point: BatchPoint) -> State:
        return {"t": torch.ones_like(point.value), "below": torch.zeros_like(point.value)}

    def propose(self, point: BatchPoint, state: State, newton: Solved | None) -> Direction:
        assert newton is not None
        t = state["t"]
        return Direction(newton.direction * t.unsqueeze(1), newton.slope * t, newton.least_pivot > 0)

    def judge(self, point: BatchPoint, trial: BatchPoint, direction: Direction, state: State) -> Judgement:
        """As `backtrack`: Armijo's rule, or the approximate Wolfe conditions below rounding level."""
        step, slope, known = direction
        rounded = -slope <= resolution(point)
        enough = trial.value.isfinite() & (trial.value <= point.value + self.solver.sufficient * slope)
        there = dot(trial.gradient, step)
        flat = (0.9 * slope <= there) & (there <= (2 * self.solver.sufficient - 1) * slope)
        accepted = torch.where(rounded, flat & (trial.value <= point.value), enough) & known
        below = state["below"] + (rounded & ~accepted)
        failed = ~(slope < 0) | (below > ROUNDING_TRIALS) | (state["t"] < self.solver.shrink**TRIALS)
        t = torch.where(accepted, 1.0, state["t"] * self.solver.shrink)
        return Judgement(accepted, failed & ~accepted, {"t": t, "below": below.where(~accepted, 0.0)})


class Levenberg:
    """x+ = x - (H + lambda I)^-1 g, lambda steered by the gain ratio: LevenbergNewton."""

    needs = "hessian"

    def __init__(self, solver: LevenbergNewton) -> None:
        self.solver = solver

    def init(self, point: BatchPoint) -> State:
        largest = point.hessian.diagonal(dim1=1, dim2=2).amax(1)
        size = self.solver.initial_shift * largest.where((largest > 0) & largest.isfinite(), 1.0)
        return {"size": size, "growth": torch.full_like(size, self.solver.gamma_inc)}

    def propose(self, point: BatchPoint, state: State, newton: Solved | None) -> Direction:
        shifted = point.hessian.clone()
        shifted.diagonal(dim1=1, dim2=2).add_(state["size"].unsqueeze(1))
        found = solve(shifted, point.gradient)
        return Direction(found.direction, found.slope, found.least_pivot >= 0)

    def judge(self, point: BatchPoint, trial: BatchPoint, direction: Direction, state: State) -> Judgement:
        step, slope, known = direction
        solver, size, growth = self.solver, state["size"], state["growth"]
        predicted = 0.5 * (size * dot(step, step) - slope)  # uses (H + lambda I) s = -g
        ratio = (point.value - trial.value) / predicted
        accepted = known & (ratio > solver.eta0)  # not if NaN
        rounded = known & ~(predicted > resolution(point))
        failed = rounded | ~(size * growth < torch.finfo(size.dtype).max)
        tiny = torch.finfo(size.dtype).tiny
        grown = size.clamp(min=tiny) * torch.where(accepted, solver.gamma_inc, growth)
        lowered = torch.where(ratio > solver.eta2, size / solver.gamma_dec, size)
        size = torch.where(accepted & (ratio >= solver.eta1), lowered, grown)
        growth = torch.where(accepted, solver.gamma_inc, 2 * growth)
        return Judgement(accepted & ~rounded, failed, {"size": size, "growth": growth})


class FixedRate:
    """x+ = x - learning_rate g: GradientDescent."""

    needs = "gradient"

    def __init__(self, solver: GradientDescent) -> None:
        self.solver = solver

    def init(self, point: BatchPoint) -> State:
        return {}

    def propose(self, point: BatchPoint, state: State, newton: Solved | None) -> Direction:
        step = point.gradient * -self.solver.learning_rate
        slope = dot(point.gradient, step)
        return Direction(step, slope, slope.isfinite())

    def judge(self, point: BatchPoint, trial: BatchPoint, direction: Direction, state: State) -> Judgement:
        accepted = trial.value.isfinite() & direction.known
        return Judgement(accepted, ~accepted, state)


class Armijo:
    """x+ = x - t g, t by Armijo's rule from twice the last one: ArmijoGradientDescent."""

    needs = "gradient"

    def __init__(self, solver: ArmijoGradientDescent) -> None:
        self.solver = solver

    def init(self, point: BatchPoint) -> State:
        norm, size = torch.linalg.vector_norm(point.gradient, dim=1), point.value.abs()
        eps = EPS[norm.dtype]
        usual = (ROUNDING * eps * size < norm) & (norm < size / eps) | (size == 0)
        rate = torch.where(usual, 1.0, size / norm) / norm
        rate = rate.where((norm > 0) & rate.isfinite(), 1.0)
        return {"rate": rate, "tried": torch.zeros_like(rate)}

    def propose(self, point: BatchPoint, state: State, newton: Solved | None) -> Direction:
        step = point.gradient * -state["rate"].unsqueeze(1)
        slope = dot(point.gradient, step)
        return Direction(step, slope, slope.isfinite())

    def judge(self, point: BatchPoint, trial: BatchPoint, direction: Direction, state: State) -> Judgement:
        solver, (step, slope, known) = self.solver, direction
        enough = trial.value.isfinite() & (trial.value <= point.value + solver.sufficient * slope)
        there = dot(trial.gradient, step)
        flat = (slope <= there) & (there <= (2 * solver.sufficient - 1) * slope)
        accepted = known & enough & ((-slope > resolution(point)) | flat)
        tried = torch.where(accepted, 0.0, state["tried"] + 1)
        longest = 1 / torch.finfo(slope.dtype).tiny
        rate = (state["rate"] * torch.where(accepted, solver.grow, solver.shrink)).clamp(max=longest)
        return Judgement(accepted, ~(slope < 0) | (tried >= TRIALS), {"rate": rate, "tried": tried})


METHODS: dict[type, Any] = {
    CholeskyNewton: Newton,
    LevenbergNewton: Levenberg,
    GradientDescent: FixedRate,
    ArmijoGradientDescent: Armijo,
}


def batched(solver: Any) -> Any:
    """The method of a solver; ValueError where METHODS has none for its very class."""
    if type(solver) not in METHODS:
        names = ", ".join(f"{kind.__name__}()" for kind in METHODS)
        raise ValueError(f"no batch of {type(solver).__name__}: minimize_batch takes {names}")
    if isinstance(solver, CholeskyNewton) and solver.hessian_precision != FULL:
        raise ValueError(f"a batch assembles Hessians in full precision, found {solver.hessian_precision!r}")
    return METHODS[type(solver)](solver)
