"""Truncated Newton: conjugate gradients on products with the Hessian, which is never formed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice

from torch import Tensor

from ..common.instrumentation import phase
from ..common.scalars import squared
from ..common.validation import EPS, fraction, whole
from ..core.conjugate_gradients import Inverse, conjugate_gradients, gradient_norm, kronecker
from ..core.solver import Proposal, newton_proposal, setting
from ..line_search.search import LineSearch
from ..objectives.base import Point


@dataclass(frozen=True)
class NewtonCG(LineSearch):
    """x+ = x + t s,  H s = -g by conjugate gradients until ||H s + g|| <= eta ||g||, with t from backtracking.

    eta = min(forcing, sqrt(||g|| / ||g at the start||)), which makes convergence superlinear. Where a direction p has
    p^T H p <= 0 to rounding, s is what was found before it; if it is the first, p itself, downhill. The norm is
    sqrt(g^T D^-1 g), D = |diag H|, where the objective knows diag H without H, and the plain one elsewhere.
    (Nocedal & Wright, Alg. 7.1, p. 169; Dembo & Steihaug 1983, Math. Program. 26, p. 190.)

    forcing: the largest relative residual that passes, between 0 and 1.
    cg_iterations: products a step at most; never more than d, after which exact arithmetic would be done.
    kronecker: precondition softmax regression with a penalty by A (x) B + l2 I instead of the diagonal, A the mean
        curvature of the classes and B the second moments of the columns (`SoftmaxPoint.spectral_inverse`).
    """

    needs = "hvp"
    # Nocedal & Wright, p. 168. Products until `converged` on breast-cancer-l2, -mean10, -raw, digits by softmax with
    # l2 = 1/n, 1e-3, 1e-5:                             52  56  228  300  301  642
    # ||g|| instead of its root                         89  64  233  331  344  936
    # Eisenstat & Walker's (1996) second choice         66  59  242  375  285 1115
    # Nash & Sofer's (1990) ratio of decreases, 0.5     52  63  659  293  305  604, in up to seven times the iterations
    # that ratio, below this eta                        63  68  280  262  206  628
    forcing: float = setting(0.5, fraction)
    # Without a limit a network of 121 weights spent 4581 products on one direction.
    cg_iterations: int = setting(200, whole)
    kronecker: bool = False

    def init(self, point: Point) -> float:
        """The state: the norm of the gradient at the start."""
        return gradient_norm(point, self.inverse(point))

    def inverse(self, point: Point) -> Inverse:
        return kronecker(point) if self.kronecker else None

    def propose(self, point: Point, state: float) -> Proposal | None:
        with phase("solve"):
            norm = gradient_norm(point, self.inverse(point))
            return newton_proposal(point, self.truncated(point, norm, state), state)

    def truncated(self, point: Point, norm: float, initial_gradient_norm: float) -> Tensor:
        """The inexact Newton direction, (d,)."""
        direction = -point.gradient  # where the norm is 0 or not a number there is no step below
        eta = min(self.forcing, math.sqrt(norm / initial_gradient_norm)) if initial_gradient_norm > 0 else self.forcing
        noise = EPS[direction.dtype]
        steps = conjugate_gradients(point, noise, self.inverse(point))
        for j, step in enumerate(islice(steps, min(self.cg_iterations, len(direction)))):
            if not step.positive:
                # Its own curvature gives p a length, as in SciPy's Newton-CG; where it is 0 the search will shorten it.
                length = 1 / max(abs(step.curvature) / step.residual, noise)  # a small residual times noise may be 0
                return step.solution if j else length * step.search
            direction = step.solution
            if step.residual <= squared(eta * norm):
                break
        return direction
