"""What a solver is: settings, a state passed from step to step, and an update."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import field, fields
from functools import cache
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from ..objectives.base import Point
from ..objectives.newton_system import slope_along


@cache
def _checks(kind: type) -> tuple[tuple[str, Callable[[str, Any], Any]], ...]:
    """The settings of a class that have a check, with it: to collect them took longer than to check them."""
    found = ((known.name, known.metadata.get("check")) for known in fields(kind))
    return tuple((name, check) for name, check in found if check)


def setting(default: Any, check: Callable[[str, Any], Any]) -> Any:
    """A field of a solver. check: a function of its name and value, which raises TypeError or ValueError."""
    return field(default=default, metadata={"check": check})


class Solver(Protocol):
    """A solver is a frozen dataclass of settings; its state is whatever `init` returns and `step` passes on.

    A rejected step returns the same point, whose derivatives are then already paid for. A solver raises only for
    settings that make no sense: `minimize` turns what happens while solving into a Status. If the first state has an
    attribute `note`, it is appended to Result.message.
    """

    def init(self, point: Point) -> Any: ...

    def step(self, point: Point, state: Any) -> tuple[Point, Any]: ...


class Proposal(NamedTuple):
    """The direction of a step, before its length is known.

    `slope` is g^T direction; -slope/2 is the decrease that the solver's own quadratic model promises, which screens
    iterates for the test of convergence. `state` is what the solver learned while it computed the direction.
    `squared_length` is ||direction||^2, where the host read it off a device together with the slope.
    """

    direction: Tensor  # (d,)
    slope: float
    state: Any = None
    squared_length: float | None = None

    def with_state(self, state: Any) -> Proposal:
        """The same with another state; `_replace` takes a microsecond, five times as long."""
        return Proposal(self.direction, self.slope, state, self.squared_length)


class DirectionalSolver:
    """A solver made of a direction (`propose`) and a step-length rule (`move`).

    So `minimize` can test a point for convergence before it pays for the move.
    needs: the most expensive derivative that it reads.
    """

    needs: ClassVar[str] = "hessian"

    def __post_init__(self) -> None:
        for name, check in _checks(type(self)):
            check(name, getattr(self, name))

    def init(self, point: Point) -> Any:
        return None

    def why_unsuited(self, point: Point) -> str:
        """Why this solver cannot work on the objective of that point, and what can; empty where it can."""
        return ""

    def propose(self, point: Point, state: Any) -> Proposal | None:
        """The direction from this point, or None where the solver's system cannot be solved."""
        raise NotImplementedError

    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Any]:
        """The next point and state."""
        return point + proposal.direction, proposal.state

    def step(self, point: Point, state: Any) -> tuple[Point, Any]:
        proposal = self.propose(point, state)
        return (point, state) if proposal is None else self.move(point, proposal)


class Stepped(DirectionalSolver):
    """A solver that only has `step`, as a direction and a move: `propose` takes the step, `move` returns it."""

    def __init__(self, solver: Solver) -> None:
        self.solver = solver
        self.init = solver.init

    def propose(self, point: Point, state: Any) -> Proposal:
        arrived = self.solver.step(point, state)
        moved = arrived[0]
        if not isinstance(moved, Point):
            raise TypeError(
                f"{type(self.solver).__name__}.step must return (point, state), found {type(moved).__name__}"
            )
        direction = moved.x - point.x
        slope = math.nan if moved is point else float(torch.dot(point.gradient, direction))
        # A rejected step, or one to infinity, says nothing about the distance of the minimum.
        return Proposal(direction, slope if math.isfinite(slope) else -sys.float_info.max, arrived)

    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Any]:
        return proposal.state


def newton_proposal(point: Point, direction: Tensor | None, state: Any = None) -> Proposal | None:
    """The proposal to take a solution of a Newton system, or None where it has none that is finite."""
    return None if direction is None else finite_proposal(towards(point, direction, state))


def finite_proposal(proposal: Proposal) -> Proposal | None:
    """The same proposal, or None where its direction is not finite."""
    return proposal if math.isfinite(proposal.slope) or bool(proposal.direction.isfinite().all()) else None


def towards(point: Point, direction: Tensor, state: Any = None) -> Proposal:
    """The proposal to move along a direction."""
    return Proposal(direction, slope_along(point, direction), state)


def needs_hessian(solver: Solver, point: Point) -> bool:
    """Whether a solver makes this point assemble its Hessian: yes, if it does not declare what it needs."""
    needs = getattr(solver, "needs", "hessian")
    inherited = getattr(type(point), needs, None) is getattr(Point, needs)  # computed from the Hessian
    return needs == "hessian" or (needs != "gradient" and inherited)
