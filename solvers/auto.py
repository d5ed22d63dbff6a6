"""A solver that picks one of the others by the shape of the problem, and reports which and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch

from .approximate.lbfgs import LBFGS
from .approximate.sampled import SampledNewton
from .core.decrement import DENSE_LIMIT
from .core.solver import DirectionalSolver, Proposal
from .linalg.kernels import fits_one_block, is_sparse
from .newton.chebyshev import ChebyshevNewton
from .newton.cholesky import CholeskyNewton
from .newton.newton_cg import NewtonCG
from .newton.reused_factor import ReusedFactorNewton
from .objectives.base import Point

CHEAP = 1.0  # gradients: a Hessian that takes less time does not justify a correction that saves Hessians
CHEAP_COMPILED = 3.0  # the same where a compiled kernel makes it: 1,000 x 60 is level, on 1,000 x 128 a tenth is saved
EXPENSIVE = 100.0  # gradients: a Hessian that takes longer is not formed
# The same with a compiled Gram matrix of a sparse X, and its factor: w8a, at 4.8, took 0.75 of the time of newton-cg,
# one-hot data, at 5.6, as long, and 5,000 x 300 with 15 entries a row, at 6.2, 1.8 times as long.
EXPENSIVE_COMPILED = 6.0
# From here on a compiled Hessian of a sparse X is worth keeping as a metric: one-hot data, at 4.8 and 5.6, took 0.7 and
# 0.8 of the time of newton-chebyshev, w8a, at 4.8, 0.93, one-hot data at 3.6 0.95, and a9a, at 2.9, 1.2.
REUSED = 4.0
# Of curvatures, up to which L-BFGS needs no scaling: reuters (91) took 0.6 of the time of newton-cg, a problem with a
# million columns (348) four times as long.
SPREAD = 200.0
COEFFICIENTS = 500  # of a network or of several classes: with more, their Hessian takes longer than its products
# The same where the products have Kronecker factors as their metric: 500 x 20 with 3 classes took as long as with a
# Hessian, 200 x 10 took 1.25 times as long, 1,000 x 40 with 8 classes a seventh.
COEFFICIENTS_WITH_FACTORS = 60


class Picked(NamedTuple):
    """The solver that does the work, and its state; `note` becomes part of Result.message."""

    note: str
    solver: DirectionalSolver
    state: Any

    def after(self, state: Any) -> Picked:
        """With the solver's next state; the same object if that did not change, for a rejected step."""
        return self if state is self.state else Picked(self.note, self.solver, state)


@dataclass(frozen=True)
class Auto(DirectionalSolver):
    """One of ChebyshevNewton, CholeskyNewton, SampledNewton, NewtonCG and LBFGS, with its defaults, by the problem.

    In this order: NewtonCG with Kronecker factors as its metric for more than COEFFICIENTS_WITH_FACTORS of a softmax
    regression that has them (a penalty and a dense X); LBFGS for a sparse X with more than 4000 coefficients whose
    curvatures at the start lie within a factor of SPREAD; NewtonCG for others with more than 4000, for more than
    COEFFICIENTS of an objective that is no logistic regression, and for a sparse X whose Hessian would take as long as
    EXPENSIVE gradients (EXPENSIVE_COMPILED, where a compiled kernel makes it); SampledNewton where a quarter of the
    rows is enough of a sample, and X neither small nor sparse with a compiled Gram matrix; ReusedFactorNewton where
    that matrix takes as long as REUSED gradients; else ChebyshevNewton where
    the Hessian of a linear model takes as long as CHEAP gradients, and CholeskyNewton for the rest. Both solve systems
    of the order of the rows where there are more columns. No solver is tried out: the same problem always gets the same
    solver.
    """

    needs: ClassVar[str] = "hvp"

    def init(self, point: Point) -> Picked:
        name, reason, solver = pick(point)
        return Picked(f"{name}, for {reason}", solver, solver.init(point))

    def propose(self, point: Point, state: Picked) -> Proposal | None:
        proposal = state.solver.propose(point, state.state)
        return None if proposal is None else proposal.with_state(state.after(proposal.state))

    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Picked]:
        picked: Picked = proposal.state
        moved, state = picked.solver.move(point, proposal.with_state(picked.state))
        return moved, picked.after(state)


def pick(point: Point) -> tuple[str, str, DirectionalSolver]:
    """The name of the solver in SOLVERS, the reason, and the solver."""
    f, size = point.objective, len(point.x)
    if getattr(f, "preconditions", False) and size > COEFFICIENTS_WITH_FACTORS:
        return "newton-cg", f"{size} coefficients, with Kronecker factors as its metric", NewtonCG(kronecker=True)
    if size > DENSE_LIMIT:
        if (spread := curvature_spread(point)) <= SPREAD:
            return "lbfgs", f"{size} coefficients, with curvatures within a factor of {spread:.0f}", LBFGS()
        return "newton-cg", f"{size} coefficients", NewtonCG()
    if not hasattr(f, "sample"):  # no logistic regression
        products = type(point).hvp is not Point.hvp and size > COEFFICIENTS
        return ("newton-cg", f"{size} coefficients", NewtonCG()) if products else exact(f, f"{size} coefficients")
    X, n = f.X, len(f.X)
    compiled, reason = getattr(f, "rows", None) is not None, f"{n} rows and {size} coefficients"
    if is_sparse(X) and f.hessian_price > (EXPENSIVE_COMPILED if compiled else EXPENSIVE):
        return "newton-cg", f"a sparse X whose Hessian takes as long as {f.hessian_price:.0f} gradients", NewtonCG()
    if compiled and f.hessian_price >= REUSED:
        return "newton-chebyshev", f"{reason}, a factor for several steps", ReusedFactorNewton()
    if compiled:
        return exact(f, reason)
    sampled = SampledNewton()
    if f.wide:
        return "newton-sampled", f"{reason}: first in the coordinates of the rows", sampled
    if getattr(f, "columns", None) is not None:
        return exact(f, reason, CHEAP_COMPILED)
    if not fits_one_block(X) and (m := sampled.sample_size(n, size)):
        return "newton-sampled", f"{n} rows, of which {m} are a sample for {size} coefficients", sampled
    return exact(f, reason)


def curvature_spread(point: Point) -> float:
    """Of a sparse model: the curvature along the gradient, over the least there is; infinite where that is not known.

    No more than the condition number of the Hessian, whose root the iterations of L-BFGS grow with.
    """
    f, g = point.objective, point.gradient
    if not (is_sparse(getattr(f, "X", g)) and getattr(f, "strong_convexity", 0.0) > 0):
        return math.inf
    squares = float(torch.dot(g, g))
    return float(torch.dot(g, point.hvp(g))) / squares / f.strong_convexity if squares > 0 else math.inf


def exact(objective: Any, reason: str, cheap: float = CHEAP) -> tuple[str, str, DirectionalSolver]:
    """The method for the price of the Hessian, which is not known for a user's own objective."""
    if getattr(objective, "hessian_price", 0.0) >= cheap:
        return "newton-chebyshev", reason, ChebyshevNewton()
    return "newton-cholesky", reason, CholeskyNewton()
