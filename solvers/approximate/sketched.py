"""Newton with a sketch of the Hessian, from a few random combinations of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.instrumentation import timed
from ..common.validation import count, whole
from ..core.solver import Proposal, newton_proposal, setting
from ..linalg.cholesky import safe_factor
from ..line_search.search import LineSearch
from ..objectives.base import Point

NO_ROOT = (
    "this objective has no square root of its Hessian, as linear models do: take a method that uses the Hessian, "
    "such as newton-cholesky"
)
ATTEMPTS = 3  # searches that may fail in a row


class Draws(NamedTuple):
    """How many sketches were drawn, the last iterate, and how many searches from it failed."""

    count: int = 0
    last: Point | None = None
    failures: int = 0


@dataclass(frozen=True)
class SketchedNewton(LineSearch):
    """x+ = x - t (A^T S^T S A + the rest of H)^-1 g, with H = A^T A + the rest; t from backtracking.

    For a linear model A is sqrt(r) X, r the curvatures of the rows, and the rest is the penalty; S is a new count
    sketch for every step, of m = rows_per_coefficient d rows, or as many as X has if that is less. Convergence is
    linear, at about sqrt(d / m). (Pilanci & Wainwright 2017, SIAM J. Optim. 27, p. 205, who take other sketches, which
    cost as much as the Hessian of a dense X, or its FFT.) A sketch that is not positive definite is shifted as in
    CholeskyNewton. seed: of the draws.
    """

    rows_per_coefficient: int = setting(16, whole)
    seed: int = setting(0, count)

    def init(self, point: Point) -> Draws:
        return Draws()

    def why_unsuited(self, point: Point) -> str:
        return "" if type(point).sketched_hessian is not Point.sketched_hessian else NO_ROOT

    def propose(self, point: Point, state: Draws) -> Proposal | None:
        found = safe_factor(self.sketched(point, state.count))
        if found is None:
            return None
        failures = state.failures + 1 if state.last is point else 0
        after = Draws(state.count + 1, point, failures) if failures <= ATTEMPTS else state
        return newton_proposal(point, -found.solve(point.gradient), after)

    def sketched(self, point: Point, number: int) -> Tensor:
        """The sketch of that number, (d, d)."""
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * number)
        return sketch(point, self.rows_per_coefficient * len(point.x), generator)


@timed("sample", "sample_hessians")
def sketch(point: Point, size: int, generator: torch.Generator) -> Tensor:
    return point.sketched_hessian(size, generator)
