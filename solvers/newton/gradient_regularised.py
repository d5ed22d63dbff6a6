"""Newton with a shift that follows the root of the gradient: globally convergent without a line search."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ..common.instrumentation import count, phase
from ..common.scalars import squared
from ..common.validation import above_one, positive
from ..core.solver import DirectionalSolver, Proposal, newton_proposal, setting
from ..linalg.cholesky import factor
from ..line_search.backtracking import step_below_rounding
from ..objectives.base import Point
from ..objectives.rounding import resolution
from .adaptive_shift import shifted_proposal


class Lipschitz(NamedTuple):
    """The state: sqrt(L), L the constant that stands for that of the Hessian (L itself may leave the range); and
    whether the last step was rejected."""

    root: float
    rejected: bool = False


@dataclass(frozen=True)
class GradientRegularisedNewton(DirectionalSolver):
    """x+ = x + s,  s = -(H + sqrt(L ||g||) I)^-1 g.

    With lambda = sqrt(L ||g||) a step is taken if ||g+|| <= 2 lambda ||s|| and f(x+) <= f(x) - 2/3 lambda ||s||^2: both
    hold for a convex f once L is half the Lipschitz constant of H, or more. L is multiplied by gamma_inc where one
    fails or H + lambda I is not positive definite, and divided by it after each step. At the start lambda is
    initial_shift times the Frobenius norm of H. Where the decrease is below rounding level, LevenbergNewton's rule
    decides. (Mishchenko 2023, SIAM J. Optim. 33, p. 1440, arXiv:2112.02089, its adaptive variant.)
    """

    initial_shift: float = setting(0.1, positive)
    gamma_inc: float = setting(4.0, above_one)

    def init(self, point: Point) -> Lipschitz:
        size, norm = frobenius(point.hessian), length(point.gradient)
        usual = 0 < size < math.inf and 0 < norm < math.inf
        return Lipschitz(max(self.initial_shift * size / math.sqrt(norm), math.ulp(0.0)) if usual else 1.0)

    def propose(self, point: Point, state: Lipschitz) -> Proposal | None:
        root = math.sqrt(length(point.gradient))
        if root == 0:  # no L gives a shift
            found = factor(point.hessian)
            return None if found is None else newton_proposal(point, -found.solve(point.gradient), state)
        return shifted_proposal(point, point.hessian, state, lambda state: state.root * root, self._increased)

    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Lipschitz]:
        state, step = proposal.state, proposal.direction
        with phase("line search"):
            count("line_search_trials")
            trial = point.along(step).at(1.0)
            shift, size = state.root * math.sqrt(length(point.gradient)), length(step)
            # The first test alone would accept any step where f is flat; the second is lost in rounding near the end.
            if not -proposal.slope > resolution(point):
                energy = 0.0 if state.rejected else shift * squared(size)  # lowered, lambda would rise again
                reached, short = step_below_rounding(point, trial, step, proposal.slope, energy)
                return reached, Lipschitz(state.root / self.gamma_inc**2) if short else state  # lambda / gamma_inc^2
            fell = -math.inf < trial.float_value <= point.float_value - 2 / 3 * shift * squared(size)
            if not (fell and length(trial.gradient) <= 2 * shift * size):
                return point, self._increased(state)._replace(rejected=True)
        return trial, Lipschitz(state.root / math.sqrt(self.gamma_inc))

    def _increased(self, state: Lipschitz) -> Lipschitz:
        return state._replace(root=max(state.root, math.ulp(0.0)) * math.sqrt(self.gamma_inc))  # 0 could not grow


def frobenius(matrix: torch.Tensor) -> float:
    """Its Frobenius norm, also where a square leaves the range."""
    norm = float(torch.linalg.matrix_norm(matrix))
    if not (norm == math.inf or norm == 0) or not (largest := float(matrix.abs().max())) > 0:
        return norm
    return largest * float(torch.linalg.matrix_norm(matrix / largest))


def length(v: torch.Tensor) -> float:
    return float(torch.linalg.vector_norm(v))
