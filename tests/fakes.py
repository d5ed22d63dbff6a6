"""What several tests pretend: a device that runs behind its host, a problem that keeps it busy, solvers that fail."""

from __future__ import annotations

import ctypes
import os
import signal
from dataclasses import dataclass

import torch

from solvers import SOLVERS
from solvers.objectives import FunctionObjective, Objective, Point

BOWL = FunctionObjective(lambda x: x.square().sum())
# The registered solvers that work on any function: the others name what they need of an objective.
GENERAL = [
    name
    for name, solver in SOLVERS.items()
    if not getattr(solver, "why_unsuited", lambda point: "")(BOWL.at(torch.ones(1)))
]


def comparable(row: dict) -> dict:
    """A row in which what is not a number equals itself."""
    return {name: None if value != value else value for name, value in row.items()}


class FakeDevice:
    """A device that runs behind its host: launching costs nothing, and only waiting for it takes its time."""

    def __init__(self) -> None:
        self.host = 100.0  # seconds
        self.busy_until = 0.0
        self.waited_for: list = []

    def launch(self, seconds: float) -> None:
        self.busy_until = max(self.busy_until, self.host) + seconds

    def synchronize(self, device=None) -> None:
        self.waited_for.append(device)
        self.host = max(self.host, self.busy_until)

    def read_without_waiting(self) -> float:
        return self.host


class QueuedSquare(Objective):
    """x^2 / 2, whose gradient keeps a device busy for 2 seconds and whose value for 1."""

    def __init__(self, device: FakeDevice) -> None:
        self.device, self.size = device, 2
        self.X, self.y = torch.ones(3, 2, dtype=torch.float64), torch.ones(3, dtype=torch.float64)

    def at(self, x):
        return QueuedPoint(self, x)


class QueuedPoint(Point):
    @property
    def value(self):
        self.objective.device.launch(1.0)
        return 0.5 * torch.dot(self.x, self.x)

    @property
    def gradient(self):
        self.objective.device.launch(2.0)
        return self.x.clone()


@dataclass(frozen=True)
class Raising:
    """Fails at its first step."""

    def init(self, point):
        return None

    def step(self, point, state):
        raise ArithmeticError("no step today")


class Hanging(Raising):
    """Never comes back from native code, which no signal handler of Python interrupts."""

    def step(self, point, state):
        ctypes.PyDLL(None).sleep(10_000)


class Hungry(Raising):
    """Takes all the memory there is, without touching it: to write to it takes as long as the machine pleases."""

    def step(self, point, state):
        taken = [torch.empty(2**20)]
        while True:
            taken.append(torch.empty(2 * len(taken[-1])))


class Dying(Raising):
    """Takes its process along."""

    def step(self, point, state):
        os.kill(os.getpid(), signal.SIGSEGV)


class Quitting(Raising):
    """Ends its process as a library might that thinks it owns it."""

    def step(self, point, state):
        os._exit(3)


class Undefined(Raising):
    """Goes where nothing is a number."""

    def step(self, point, state):
        return point + torch.full_like(point.x, torch.nan), state


BAD = {
    "raising": Raising(),
    "hanging": Hanging(),
    "hungry": Hungry(),
    "dying": Dying(),
    "quitting": Quitting(),
    "undefined": Undefined(),
}


def register() -> None:
    """The bad solvers among the good ones, in a process of their own."""
    SOLVERS.update(BAD)
