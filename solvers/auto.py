"""A solver that picks one of the others by the shape of the problem, and reports which and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from .approximate.sampled import SampledNewton
from .core.decrement import DENSE_LIMIT
from .core.solver import DirectionalSolver, Proposal
from .linalg.kernels import fits_one_block, is_sparse
from .newton.chebyshev import ChebyshevNewton
from .newton.cholesky import CholeskyNewton
from .newton.newton_cg import NewtonCG
from .objectives.base import Point

CHEAP = 1.0  # gradients: a Hessian that takes less time does not justify a correction that saves Hessians
CHEAP_COMPILED = 3.0  # the same where a compiled kernel makes it: 1,000 x 60 is level, on 1,000 x 128 a tenth is saved
EXPENSIVE = 100.0  # gradients: a Hessian that takes longer is not formed
COEFFICIENTS = 500  # of a network or of several classes: with more, their Hessian takes longer than its products


class Picked(NamedTuple):
    """The solver that does the work, and its state; `note` becomes part of Result.message."""

    note: str
    solver: DirectionalSolver
    state: Any

    def after(self, state: Any) -> Picked:
        """With the solver's next state; the same object if that did not change, for a rejected step."""
        return self if state is self.state else self._replace(state=state)


@dataclass(frozen=True)
class Auto(DirectionalSolver):
    """ChebyshevNewton, CholeskyNewton, SampledNewton or NewtonCG, with their defaults, by the shape of the problem.

    In this order: NewtonCG for more than 4000 coefficients, for more than COEFFICIENTS of an objective that is no
    logistic regression, and for a sparse X whose Hessian would take as long as EXPENSIVE gradients; with
    Kronecker factors as its metric where softmax regression has them (a penalty and a dense X); SampledNewton where a
    quarter of the rows is enough of a sample and X is not small; else ChebyshevNewton where the Hessian of a linear
    model takes as long as CHEAP gradients, and CholeskyNewton for the rest. Both solve systems of the order of the rows
    where there are more columns. No solver is tried out: the same problem always gets the same solver.
    """

    needs: ClassVar[str] = "hvp"

    def init(self, point: Point) -> Picked:
        name, reason, solver = pick(point)
        return Picked(f"{name}, for {reason}", solver, solver.init(point))

    def propose(self, point: Point, state: Picked) -> Proposal | None:
        proposal = state.solver.propose(point, state.state)
        return None if proposal is None else proposal._replace(state=state.after(proposal.state))

    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Picked]:
        picked: Picked = proposal.state
        moved, state = picked.solver.move(point, proposal._replace(state=picked.state))
        return moved, picked.after(state)


def pick(point: Point) -> tuple[str, str, DirectionalSolver]:
    """The name of the solver in SOLVERS, the reason, and the solver."""
    f, size = point.objective, len(point.x)
    if getattr(f, "preconditions", False) and size > COEFFICIENTS:
        return "newton-cg", f"{size} coefficients, with Kronecker factors as its metric", NewtonCG(kronecker=True)
    if size > DENSE_LIMIT:
        return "newton-cg", f"{size} coefficients", NewtonCG()
    if not hasattr(f, "sample"):  # no logistic regression
        products = type(point).hvp is not Point.hvp and size > COEFFICIENTS
        return ("newton-cg", f"{size} coefficients", NewtonCG()) if products else exact(f, f"{size} coefficients")
    X, n = f.X, len(f.X)
    if is_sparse(X) and f.hessian_price > EXPENSIVE:
        return "newton-cg", f"a sparse X whose Hessian takes as long as {f.hessian_price:.0f} gradients", NewtonCG()
    sampled, reason = SampledNewton(), f"{n} rows and {size} coefficients"
    if f.wide:
        return "newton-sampled", f"{reason}: first in the coordinates of the rows", sampled
    if getattr(f, "columns", None) is not None:
        return exact(f, reason, CHEAP_COMPILED)
    if not fits_one_block(X) and (m := sampled.sample_size(n, size)):
        return "newton-sampled", f"{n} rows, of which {m} are a sample for {size} coefficients", sampled
    return exact(f, reason)


def exact(objective: Any, reason: str, cheap: float = CHEAP) -> tuple[str, str, DirectionalSolver]:
    """The method for the price of the Hessian, which is not known for a user's own objective."""
    if getattr(objective, "hessian_price", 0.0) >= cheap:
        return "newton-chebyshev", reason, ChebyshevNewton()
    return "newton-cholesky", reason, CholeskyNewton()
