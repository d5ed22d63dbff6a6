"""A run that can be continued: its iterate, the solver's state and the counters, in files."""

from __future__ import annotations

import io
import math
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..common.files import written_whole
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
    Files are pickles: read only your own. Raises ValueError for a solver whose state cannot be stored.
    """

    path: Path | str
    every: int | None = None
    seconds: float = math.inf
    rank: int = 0
    resumed: int = 0  # the iteration from which the last run went on
    _last: tuple[int, float] = (0, 0.0)  # iteration and seconds of the last checkpoint
    _next: int = 0  # the slot of the next one

    def due(self, iteration: int, seconds: float) -> bool:
        """Whether it is time to save an iterate."""
        before, then = self._last
        return iteration > before and (iteration - before >= (self.every or math.inf) or seconds - then >= self.seconds)

    def save(self, objective: Any, saved: Saved) -> None:
        here = saved.here
        file = io.BytesIO()
        pickle.dump(here.iteration, file)  # on its own, to be read without the rest
        try:
            _Pickler(file, objective).dump(saved)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise ValueError(
                f"the state of this solver cannot be stored ({error}): run it without checkpoints"
            ) from None
        self._last = here.iteration, here.seconds
        with written_whole(self._slot(self._next)) as whole:
            whole.write(file.getvalue())
        self._next = (self._next + 1) % SLOTS

    def load(self, objective: Any) -> Saved | None:
        """The last checkpoint that all processes have; None without one."""
        found = {}
        for number in range(SLOTS):
            try:
                with open(self._slot(number), "rb") as file:
                    found[pickle.load(file)] = number
            except (OSError, EOFError, pickle.UnpicklingError):
                continue
        common = getattr(objective, "common", lambda iterations: iterations)(set(found))
        if not common:
            return None
        number = found[max(common)]
        with open(self._slot(number), "rb") as file:
            iteration = pickle.load(file)
            saved = _Unpickler(file, objective).load()
        self.resumed, self._last, self._next = iteration, (iteration, saved.here.seconds), (number + 1) % SLOTS
        return saved

    def remove(self) -> None:
        """Forget the run."""
        for number in range(SLOTS):
            self._slot(number).unlink(missing_ok=True)

    def _slot(self, number: int) -> Path:
        return Path(f"{self.path}.{self.rank}.{number}")


class _Pickler(pickle.Pickler):
    """Writes points without the data: objectives are those of the run that goes on."""

    def __init__(self, file: Any, objective: Any) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.objective = objective

    def persistent_id(self, item: Any) -> str | None:
        if item is self.objective:
            return "self"
        if not isinstance(item, Objective):
            return None
        names = [name for name, value in vars(self.objective).items() if value is item]
        if not names:
            raise TypeError(f"it holds another objective, {type(item).__name__}")
        return names[0]


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, objective: Any) -> None:
        super().__init__(file)
        self.objective = objective

    def persistent_load(self, name: str) -> Any:
        return self.objective if name == "self" else getattr(self.objective, name)
