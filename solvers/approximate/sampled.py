"""Newton on a sample of the rows: for many rows and few coefficients, a few passes over the data are enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..common.instrumentation import separately_counted
from ..common.validation import EPS, fraction, whole
from ..core.solver import Proposal, newton_proposal, setting, towards
from ..linalg.cholesky import Factor
from ..linalg.kernels import is_sparse
from ..newton.chebyshev import ChebyshevNewton
from ..newton.cholesky import CholeskyNewton
from ..objectives.base import Point
from ..objectives.newton_system import newton_direction, newton_factor, safe_newton_direction, slope_along
from .limited_memory import Pair, remember, two_loop

EXPENSIVE = 20.0  # gradients: a Hessian of all rows that takes longer is not formed
STEPS = 20  # on a sample: without a penalty it may be separable, and have no minimiser
QUADRATIC = 0.1  # of sqrt(eps) |f|: a decrement from which one Newton step leaves about eps |f|
FINER = 16  # a sample is solved from the minimiser of a sixteenth of it


class Curvature(NamedTuple):
    """A factor of a Hessian near by, and the steps since it was made."""

    factor: Factor | None  # None: every direction is the exact one
    pairs: tuple[Pair, ...] = ()
    last: Point | None = None  # the last iterate, once one was left with this factor


@dataclass(frozen=True)
class SampledNewton(CholeskyNewton):
    """x+ = x - t B g: B is the inverse Hessian of the loss on a sample of m rows, updated by L-BFGS; t by backtracking.

    The first step goes to the minimiser of the loss on that sample, found by Newton's method to its statistical error
    d / (2 m). There its Hessian is factored, once: all further steps cost one product with X and one with X^T. Where
    `memory` of them were not enough the whole Hessian is factored; if that is too expensive, as for a sparse X, the
    oldest update is dropped. Where a sample would be more than a quarter of the rows, or the objective has no rows,
    this is CholeskyNewton, the method without a sample; but where there are more columns than rows, and all are
    penalised, the first step from 0 goes to the minimiser of f itself, found in the coordinates of the rows.

    m = max(share n, rows_per_coefficient d); seed: of the draw. Sources: Byrd, Chin, Neveitt & Nocedal 2011, SIAM J.
    Optim. 21, p. 977 (Hessians of samples); Nocedal & Wright, Alg. 7.4.
    """

    # Seconds to (f - f*) / (f0 - f*) <= 1e-6, one thread, single runs beside other work. 200,000 x 100 in float64: 0.25
    # with a share of 1/16, 0.34 with 1/4. MNIST's odd digits, 60,000 x 784, with 5, 10 and 20 rows a coefficient:
    # 2.8, 3.1, 2.1 in float64 and 1.5, 1.1, 1.7 in float32.
    share: float = setting(1 / 16, fraction)
    rows_per_coefficient: int = setting(10, whole)
    memory: int = setting(10, whole)
    seed: int = 0

    def propose(self, point: Point, state: Curvature | None) -> Proposal | None:
        if state is None:
            return self.first(point)
        if state.factor is None or state.last is point:  # no sample, or the last search failed: the exact direction
            proposal = super().propose(point, None)
            return None if proposal is None else proposal.with_state(state)
        pairs = state.pairs
        if state.last is not None:
            pairs = remember(pairs, point.x - state.last.x, point.gradient - state.last.gradient, self.memory + 1)
        if len(pairs) > self.memory:
            if getattr(point.objective, "hessian_price", 0.0) > EXPENSIVE:
                pairs = pairs[1:]
            elif factor := newton_factor(point):
                return newton_proposal(point, newton_direction(point), Curvature(factor, last=point))
            else:
                pairs = pairs[-1:]
        direction = two_loop(point.gradient, pairs, state.factor.solve).neg_()
        return newton_proposal(point, direction, Curvature(state.factor, pairs, point))

    def first(self, point: Point) -> Proposal | None:
        """From the start to the minimiser of the sample; CholeskyNewton's step where there is no sample."""
        if getattr(point.objective, "wide", False) and (x := minimiser_in_row_space(point)) is not None:
            proposal = towards(point, x - point.x, Curvature(None))
            return proposal if proposal.slope < 0 else super().propose(point, None)
        rows = self.rows(point)
        x, factor = (point.x, None) if rows is None else self.solved(point, rows)
        if factor is None:
            return super().propose(point, None)
        if is_sparse(point.objective.X):  # a rare column may be missing from the sample: all rows give the diagonal
            factor = factor._replace(scale=point.objective.at(x).hessian_diagonal.rsqrt())
        proposal = towards(point, x - point.x, Curvature(factor))
        return proposal if proposal.slope < 0 else newton_proposal(point, -factor.solve(point.gradient), proposal.state)

    def sample_size(self, n: int, d: int) -> int | None:
        """m, or None where that would be more than a quarter of the rows."""
        m = max(int(self.share * n), self.rows_per_coefficient * d)
        return m if 4 * m <= n else None

    def rows(self, point: Point) -> Tensor | None:
        """The numbers of the rows of the sample: one, drawn at random, of every n // m that follow each other."""
        f = point.objective
        if not hasattr(f, "sample"):
            return None
        n = len(f.X)
        m = self.sample_size(n, f.size)
        if m is None:
            return None
        generator, each = torch.Generator().manual_seed(self.seed), n // m
        drawn = torch.randint(each, (n // each,), generator=generator)
        return drawn.add_(torch.arange(0, each * len(drawn), each)).to(point.x.device)

    def solved(self, point: Point, rows: Tensor) -> tuple[Tensor, Factor | None]:
        """The minimiser of the loss on the sample, to its statistical error, and the factor of its Hessian there.

        It is looked for on a part of the sample first, if that is enough rows.
        """
        f, x, factor = point.objective, point.x, None
        with separately_counted("sample", "sample_hessians"):
            for part in (rows[::FINER], rows):
                if part is rows or len(part) >= self.rows_per_coefficient * f.size:
                    error = f.scale * len(f.X) * f.size / (2 * len(part))
                    x, factor = newton(f.sample(part), x, error)
        return x, factor


def minimiser_in_row_space(point: Point) -> Tensor | None:
    """The minimiser of a wide f to rounding, (d,); None where x is not 0, or the rows are dependent."""
    f = point.objective
    with separately_counted("sample", "sample_hessians"):
        if bool(point.x.any()) or (reduced := f.in_row_space()) is None:
            return None
        solver, near = CholeskyNewton(), reduced.at(reduced.zeros())
        for _ in range(STEPS):
            direction = safe_newton_direction(near)
            if direction is None:
                return None
            slope = slope_along(near, direction)
            if -slope / 2 <= QUADRATIC * EPS[point.x.dtype] ** 0.5 * abs(point.float_value):
                break  # one more step squares what is left
            moved, _ = solver.move(near, Proposal(direction, slope))
            if moved is near:
                return None
            near = moved
        u = near.x + direction
        return f.X.T @ torch.linalg.solve_triangular(reduced.X.T, u.unsqueeze(1), upper=True).squeeze(1)


def newton(objective: Any, x: Tensor, tolerance: float) -> tuple[Tensor, Factor | None]:
    """ChebyshevNewton until half the squared decrement is at most `tolerance`, or it fails."""
    solver, point = ChebyshevNewton(), objective.at(x)
    for _ in range(STEPS):
        proposal = newton_proposal(point, newton_direction(point))
        if proposal is None or not -proposal.slope / 2 > tolerance:
            break
        moved, _ = solver.move(point, proposal)
        if moved is point:
            break
        point = moved
    return point.x, newton_factor(point)
