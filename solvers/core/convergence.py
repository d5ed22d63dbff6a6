"""The test of convergence: a cheap screen of every iterate, and a certificate for those that pass it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..objectives.base import Point
from .decrement import Decrement, exact_decrement, strongly_convex_decrement
from .existence import existence
from .runaway import decreases_to_the_end, has_existence_test, newton_step_is_long
from .slope_check import false_minimum
from .stopping import Status, Stop, allowed_gap

UNBOUNDED_ITERATES = (
    "f still decreases along the line from x0 through x as far as numbers reach: it may have no minimiser"
)


class Iterate(NamedTuple):
    """A point of a run, and when and at what cost it was reached."""

    point: Point
    value: float
    iteration: int
    seconds: float
    counts: tuple[int, ...]


class End(NamedTuple):
    """Where a run ended, and why."""

    iterate: Iterate
    status: Status
    message: str
    decrement: Decrement | None = None


class Convergence:
    """Whether an iterate passes every test of `Stop` that is on, and is at a minimiser.

    `screen` reads the gradient and a number that the run has anyway: the bound on the decrement by strong convexity,
    or the solver's own estimate of it. `certify` computes what proves convergence: the gradient and the decrement,
    enlarged by bounds on their rounding errors, and that a minimiser exists. An exact decrement that fails is computed
    again after the solver's estimate has fallen tenfold.
    """

    def __init__(self, stop: Stop, objective: Any, start: Iterate, *, direction_follows: bool = False) -> None:
        """direction_follows: whether the solver computes a Newton direction at each iterate in any case, so that
        nothing is saved by an earlier test, for which the host would have to wait for a device once more."""
        self.stop, self.objective, self.x0 = stop, objective, start.point.x
        self.no_minimiser = getattr(objective, "no_minimiser", lambda point, newton_direction=None: None)
        self.escaping = getattr(objective, "escaping", lambda point, newton_direction: False)
        eps = torch.finfo(self.x0.dtype).eps
        self.relative = allowed_gap(stop.gap_tolerance, 1.0, 0.0, eps)  # of |f|
        self.floor = allowed_gap(stop.gap_tolerance, 0.0, start.value, eps)
        mu = 0.0 if direction_follows else getattr(objective, "strong_convexity", 0.0)
        self.strongly_convex = stop.gap_tolerance is not None and mu > 0
        # Whether an iterate can pass before its direction is known.
        self.early = self.strongly_convex or (stop.gap_tolerance is None and stop.tests)
        self.bounds = (math.inf, math.inf)  # by strong convexity, on the decrement of the last two iterates
        self.retry_below = math.inf  # the estimate below which the exact decrement is computed

    def bound(self, value: float) -> float:
        """The largest decrement that passes where f has this value."""
        return self.relative * abs(value) + self.floor

    def screen(self, iterate: Iterate, estimate: float | None = None, *, last: bool = False) -> bool:
        """Whether a certificate is worth computing.

        estimate: half of |g^T direction|, the solver's own decrement; None where there is no direction yet.
        last: whether the run ends here in any case.
        """
        point, bound = iterate.point, self.relative * abs(iterate.value) + self.floor  # `bound`, without the call
        if estimate is not None:
            if not (estimate <= bound and estimate < self.retry_below and self._gradient_passes(point)):
                return False
            return last or not self._strong_convexity_will_do(point, bound)
        if self.strongly_convex:
            self.bounds = self.bounds[1], strongly_convex_decrement(point)
            if not (self.bounds[1] <= bound and self.retry_below > 0):
                return False
        return self._gradient_passes(point)

    def certify(self, iterate: Iterate, estimate: float | None = None) -> End | None:
        """The end of the run, where the iterate passes or no minimiser exists; None where it goes on."""
        point, bound = iterate.point.refreshed(), self.bound(iterate.value)
        iterate = iterate._replace(point=point, value=point.float_value)
        if not self._gradient_certainly_passes(point):
            return None
        if self.strongly_convex and self.bounds[1] <= bound:
            half = strongly_convex_decrement(point, point.gradient_noise()) + point.rounding_gap()
            if half <= bound:
                return self._converged(iterate, Decrement(half, None, "norm of the gradient and strong convexity"))
        decrement = None
        if self.stop.gap_tolerance is not None:
            if estimate is None:
                return None
            decrement = exact_decrement(point)
            if decrement.direction is None or not decrement.half <= bound:  # the bound itself may be infinite
                self.retry_below = estimate / 10
                return None
        reason, escaping = existence(point, self.no_minimiser, self.escaping)
        if reason and self.stop.stop_when_separable:
            return End(iterate, Status.SEPARABLE, f"no minimiser exists: {reason}", decrement)
        if reason or escaping or (decrement is not None and point.beyond_model(decrement.direction)):
            self.retry_below = (estimate or 0.0) / 10
            return None
        if decrement is not None and self._runs_away(point, decrement.direction):
            return End(iterate, Status.DIVERGED, UNBOUNDED_ITERATES)
        if words := false_minimum(point, self.x0, bound):
            return End(iterate, Status.STALLED, words)
        return self._converged(iterate, decrement)

    def certify_stalled(self, iterate: Iterate) -> End | None:
        """The end where no step changes x any more: the exact test, whatever the solver's own estimate."""
        self.retry_below = math.inf
        if self.stop.gap_tolerance is None or not self.screen(iterate, 0.0, last=True):
            return None
        return self.certify(iterate, 0.0)

    def _gradient_passes(self, point: Point, error: float = 0.0) -> bool:
        """error: how far an entry of the gradient may be off."""
        if self.stop.gradient_tolerance is None:
            return True
        return float(torch.linalg.vector_norm(point.gradient, math.inf)) + error <= self.stop.gradient_tolerance

    def _gradient_certainly_passes(self, point: Point) -> bool:
        """The same for the gradient that is computed from x alone; only where rounding may decide is that done."""
        if self.stop.gradient_tolerance is None:
            return True
        return self._gradient_passes(point, point.gradient_drift()) or self._gradient_passes(point.recomputed())

    def _strong_convexity_will_do(self, point: Point, bound: float) -> bool:
        """Whether, at the rate of the last step, that bound passes before the Hessian of an exact test pays off."""
        before, now = self.bounds
        if "hessian" in point.__dict__ or not (0 < now < before < math.inf and bound > 0):
            return False
        left, gained = math.log(now) - math.log(bound), math.log(before) - math.log(now)  # quotients may be 0
        return left <= getattr(self.objective, "hessian_price", 0.0) * gained

    def _runs_away(self, point: Point, newton_step: Tensor | None) -> bool:
        """Whether f decreases from x0 through x up to overflow; tested if the objective has no test of its own."""
        if has_existence_test(self.objective) or not newton_step_is_long(point, self.x0, newton_step):
            return False
        return decreases_to_the_end(point, self.x0)

    def _converged(self, iterate: Iterate, decrement: Decrement | None) -> End:
        words, d = [], len(self.x0)
        if decrement is not None:
            words.append(f"f exceeds the minimum of its quadratic model by {decrement.half:.2g}")
            if decrement.null_directions:
                words[0] += f", and is constant to rounding along {decrement.null_directions} of {d} directions"
            if decrement.null_directions == d:
                words[0] += " (gradient and Hessian are zero there, and nothing else is known of it)"
            elif not getattr(self.objective, "convex", False):
                words[0] += ", which proves no minimum where f is not convex"
        if self.stop.gradient_tolerance is not None:
            words.append(f"no gradient entry exceeds {self.stop.gradient_tolerance:.2g}")
        return End(iterate, Status.CONVERGED, " and ".join(words), decrement)
