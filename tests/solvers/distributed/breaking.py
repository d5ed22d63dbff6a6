"""A plug-in: a solver that breaks in one process, as the environment says: BREAK=kill|raise|memory|sleep|stop."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

from solvers import CholeskyNewton

steps = 0  # of this process


@dataclass(frozen=True)
class Breaking(CholeskyNewton):
    def propose(self, point, state):
        global steps
        steps += 1
        here = os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
        if here and steps == int(os.environ.get("BREAK_AT", "0")):
            how = os.environ["BREAK"]
            if how == "raise":
                raise ArithmeticError("the rows of this rank are broken")
            if how == "memory":
                raise MemoryError("cannot allocate 10 GB")
            if how == "sleep":
                time.sleep(100)
            os.kill(os.getpid(), signal.SIGKILL if how == "kill" else signal.SIGSTOP)
        return super().propose(point, state)


SOLVERS = {"breaking": Breaking()}
