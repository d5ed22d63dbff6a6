"""Limited-memory BFGS: curvature from the last few steps, and two loops instead of a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.instrumentation import phase
from ..common.validation import whole
from ..core.solver import Proposal, setting, towards
from ..line_search.backtracking import first_length
from ..line_search.wolfe import WolfeSearch
from ..objectives.base import Point
from .limited_memory import Pair, difference, two_loop


class Memory(NamedTuple):
    """The last pairs, oldest first, and the iterate of the last direction."""

    pairs: tuple[Pair, ...] = ()
    last: Point | None = None


@dataclass(frozen=True)
class LBFGS(WolfeSearch):
    """x+ = x - t B g: B is gamma I, gamma = s^T y / y^T y, updated by the last `memory` pairs; t by strong Wolfe.

    s = x+ - x, y = g+ - g; pairs whose s^T y is rounding are left out. Without a pair the direction is -g / ||g||: at
    the start, there in extreme units times `first_length`, and after a search that failed. (Nocedal & Wright,
    Alg. 7.5, p. 179; Liu & Nocedal 1989, Math. Program. 45, p. 503.)
    """

    needs = "gradient"
    memory: int = setting(10, whole)

    def init(self, point: Point) -> Memory:
        return Memory()

    def propose(self, point: Point, state: Memory) -> Proposal:
        with phase("solve"):
            first, state = state.last is None, self.updated(point, state)
            if not state.pairs:
                return towards(point, steepest(point, first), state)
            return towards(point, two_loop(point.gradient, state.pairs, lambda v: v).neg_(), state)

    def updated(self, point: Point, state: Memory) -> Memory:
        """With the pair of the last step; the same object where nothing is left to try."""
        if state.last is point:  # the last search failed
            return Memory((), point) if state.pairs else state
        pair = None if state.last is None else difference(state.last, point)
        pairs = (*state.pairs, pair)[-self.memory :] if pair else state.pairs
        return Memory(pairs, point)


def steepest(point: Point, first: bool = False) -> Tensor:
    """-g / ||g||, (d,), at the start times `first_length`; 0 where g is."""
    norm = float(torch.linalg.vector_norm(point.gradient))
    return point.gradient * (-(first_length(point, norm) if first else 1.0) / norm if norm > 0 else 0.0)
