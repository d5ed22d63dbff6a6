"""Newton with Chebyshev's correction: a second solve with the same factor, for the change of the Hessian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ..common.instrumentation import phase, timed
from ..core.solver import Proposal
from ..line_search.backtracking import backtrack
from ..objectives.base import Point, Ray
from ..objectives.newton_system import newton_factor
from .cholesky import CholeskyNewton


@dataclass(frozen=True)
class ChebyshevNewton(CholeskyNewton):
    """x+ = x + s + c,  s = -H^-1 g,  c = -1/2 H^-1 D^3 f(x)[s, s].

    The step of third order: near a minimiser each iteration triples the digits, for one more product with X and one
    with X^T in a linear model. Where H is not positive definite, g^T (s + c) is more than half of g^T s, or f does not
    decrease enough, the step is CholeskyNewton's, x + t s. (Traub 1964, Iterative Methods for the Solution of
    Equations, section 5.2; Gundersen & Steihaug 2010, Optim. Methods Softw. 25, p. 337.)
    """

    @timed("line search")
    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Any]:
        ray = point.along(proposal.direction)
        found = self.corrected(ray, proposal.slope)
        if found is None:
            found = backtrack(ray, proposal.slope, shrink=self.shrink, sufficient=self.sufficient)
        return (point if found is None else found), proposal.state

    def corrected(self, ray: Ray, slope: float) -> Point | None:
        """x + s + c, or None where the plain step is to be taken; slope: g^T s."""
        factor = newton_factor(ray.point)
        if factor is None:
            return None
        with phase("solve"):
            twice = factor.solve(ray.third_derivative())
        curved = ray.with_added_direction(twice, -0.5)
        descent = float(torch.dot(ray.point.gradient, curved.direction))
        return backtrack(curved, descent, sufficient=self.sufficient, trials=1) if descent <= slope / 2 else None
