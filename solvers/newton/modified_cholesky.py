"""Newton where the Hessian may be indefinite: a modified factorisation gives a descent direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..common.instrumentation import count, phase, timed
from ..core.eigensystem import units
from ..core.solver import Proposal, newton_proposal
from ..linalg.cholesky import in_units, rounding_shift
from ..line_search.search import LineSearch
from ..objectives.base import Point
from ..objectives.newton_system import is_regular, newton_direction


@dataclass(frozen=True)
class ModifiedCholeskyNewton(LineSearch):
    """x+ = x - t (S^-1 P^T L |D| L^T P S^-1)^-1 g,  P S H S P^T = L D L^T,  S diagonal, t from backtracking.

    D has blocks of order 1 and 2 (Bunch & Kaufman 1977, Math. Comp. 31, p. 163), and |D| their eigenvalues without
    signs, none below the rounding of a factorisation (Cheng & Higham 1998, SIAM J. Matrix Anal. Appl. 19, p. 1097;
    Nocedal & Wright, section 3.4, describe the flipped signs and Cheng & Higham's lower bound, with which steps
    along negative curvature would be as long as that bound is small). One factorisation, of a library, where
    Gill, Murray & Wright's algorithm goes column by column. Where H is positive definite D = |D|: a Newton step, by
    Cholesky.
    """

    def propose(self, point: Point, state: Any) -> Proposal | None:
        direction = newton_direction(point)
        if direction is None:
            direction = modified_direction(point)
        return newton_proposal(point, direction)

    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Any]:
        """Where a singular Hessian had a factor by rounding, its direction may be 1e15 long and no step along it be
        taken; whether that is so is asked only then, for a device would be waited for."""
        moved, state = super().move(point, proposal)
        if moved is not point or proposal.direction is not newton_direction(point) or is_regular(point):
            return moved, state
        modified = newton_proposal(point, modified_direction(point))
        return (moved, state) if modified is None else super().move(point, modified)


def modified_direction(point: Point) -> Tensor | None:
    """The direction above, (d,); None where the scaled Hessian is not finite."""
    sizes = units(point).sizes
    scaled = in_units(point.hessian, sizes)
    if not bool(scaled.isfinite().all()):
        return None
    factors, pivots = modified_factors(scaled)
    with phase("solve"):
        count("solves")
        return torch.linalg.ldl_solve(factors, pivots, -(point.gradient / sizes).unsqueeze(1)).squeeze(1) / sizes


@timed("factorise", "factorisations")
def modified_factors(scaled: Tensor) -> tuple[Tensor, Tensor]:
    """The factors of torch.linalg.ldl_factor with |D| in place of D, and the pivots.

    LAPACK's convention: the diagonal of the factors is that of D, and where the pivots of k and k + 1 are negative
    these are a block of order 2, whose other entry stands below the diagonal.
    """
    count("shifted")
    factors, pivots, _ = torch.linalg.ldl_factor_ex(scaled)
    least = rounding_shift(len(scaled), scaled.dtype)
    a, c = factors.diagonal()[:-1], factors.diagonal()[1:]
    b = factors.diagonal(-1)
    paired = pivots < 0
    first = (paired & (paired.cumsum(0) % 2 == 1))[:-1]  # (d - 1,), whether a block of order 2 begins here
    half = torch.hypot((a - c) / 2, b)
    mean = (a + c) / 2
    high, low = ((mean + sign * half).abs().clamp(min=least) for sign in (1, -1))
    # The same eigenvectors with other eigenvalues: [a b; b c] -> p I + q [a b; b c].
    q = torch.where(half > 0, (high - low) / (2 * half), 0.0)
    p = (high + low) / 2 - q * mean
    diagonal = factors.diagonal().abs().clamp(min=least)
    diagonal[:-1] = torch.where(first, p + q * a, diagonal[:-1])
    diagonal[1:] = torch.where(first, p + q * c, diagonal[1:])
    # A block that became a multiple of I gets a tiny b: the library's solve divides by it.
    trace = torch.finfo(b.dtype).eps * high
    b = torch.where(first, torch.where((q * b).abs() < trace, trace, q * b), b)
    modified = factors.clone()
    modified.diagonal().copy_(diagonal)
    modified.diagonal(-1).copy_(b)
    return modified, pivots
