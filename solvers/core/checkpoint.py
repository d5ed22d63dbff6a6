"""A run that can be continued: its iterate, the solver's state and the counters, in files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..common.files import written_whole
from ..common.snapshot import Decoder, Encoder
from ..objectives.base import Objective

SLOTS = 2  # files in turn: while one is written, the other holds the checkpoint before


class Saved(NamedTuple):
    """What a run needs to go on exactly as if it had not stopped."""

    point: Any
    state: Any
    previous: Any
    here: Any
    unbounded: Any
    test: tuple[Any, ...]  # what the test of convergence remembers
    record: tuple[Any, ...]  # what the record does


@dataclass
class Checkpoint:
    """Where and how often a run is saved, for `minimize(..., checkpoint=...)`, which goes on from the last one there.

    path: of the files, which get the number of the process and of the slot appended. every: iterations after which it
    is saved, or `seconds` on the run's clock, whichever comes first; saving itself is off that clock. A run goes on to
    the same iterates, bit by bit, on the same machine, with the same solver and objective, over as many processes.
    Raises ValueError for a solver whose state cannot be stored, and for a file that is no checkpoint.
    """

    path: Path | str
    every: int | None = None
    seconds: float = math.inf
    rank: int = 0
    optional: bool = False  # whether a solver whose state cannot be stored runs without checkpoints
    resumed: int = 0  # the iteration from which the last run went on
    _last: tuple[int, float] = (0, 0.0)  # iteration and seconds of the last checkpoint
    _next: int = 0  # the slot of the next one

    def due(self, iteration: int, seconds: float) -> bool:
        """Whether it is time to save an iterate."""
        before, then = self._last
        return iteration > before and (iteration - before >= (self.every or math.inf) or seconds - then >= self.seconds)

    def save(self, solver: Any, objective: Any, saved: Saved) -> None:
        here, outside = saved.here, {id(each): name for name, each in _outside(objective).items()}
        try:
            written = Encoder(outside, _modules(solver, objective)).bytes(saved)
        except (TypeError, AttributeError) as error:
            if self.optional:
                self.every, self.seconds = None, math.inf
                return
            raise ValueError(f"this solver's state cannot be stored ({error}): run it without checkpoints") from None
        self._last = here.iteration, here.seconds
        with written_whole(self._slot(self._next)) as file:
            file.write(here.iteration.to_bytes(8, "little") + written)
        self._next = (self._next + 1) % SLOTS

    def load(self, solver: Any, objective: Any) -> Saved | None:
        """The last checkpoint that all processes have; None without one."""
        found: dict[int, tuple[int, bytes]] = {}
        for number in range(SLOTS):
            try:
                written = self._slot(number).read_bytes()
            except OSError:
                continue
            found[int.from_bytes(written[:8], "little")] = number, written[8:]
        common = getattr(objective, "common", lambda iterations: iterations)(set(found))
        if not common:
            return None
        iteration = max(common)
        number, written = found[iteration]
        saved = Decoder(_outside(objective), _modules(solver, objective)).value(written)
        self.resumed, self._last, self._next = iteration, (iteration, saved.here.seconds), (number + 1) % SLOTS
        return saved

    def remove(self) -> None:
        """Forget the run."""
        for number in range(SLOTS):
            self._slot(number).unlink(missing_ok=True)

    def _slot(self, number: int) -> Path:
        return Path(f"{self.path}.{self.rank}.{number}")


def _outside(objective: Any) -> dict[str, Any]:
    """The objectives that points refer to, by name: their data is not written."""
    found = {name: value for name, value in vars(objective).items() if isinstance(value, Objective)}
    return found | {"objective": objective}


def _modules(solver: Any, objective: Any) -> set[str]:
    """Where the classes of states and points may come from, beside this package."""
    own = getattr(solver, "solver", solver)  # what `Stepped` wraps
    return {type(own).__module__, type(objective).__module__}
