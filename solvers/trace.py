"""The record of a run: when it stood where, and what that had cost."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from .phases import COUNTERS

DENSE = 100  # iterates 0..100 are all kept
PER_DECADE = 20  # and after them this many for each factor of ten


def next_kept(iteration: int) -> int:
    """The iteration after this one whose iterate is kept."""
    if iteration < DENSE:
        return iteration + 1
    step = 0
    while (candidate := round(DENSE * 10 ** (step / PER_DECADE))) <= iteration:
        step += 1
    return candidate


@dataclass(frozen=True)
class Trace:
    """Parallel lists, one entry a kept iterate: the first 101, then 20 a decade, and always the last.

    seconds are since the start of the run, each read when the iterate and its value were there on the device.
    Nothing is evaluated here: losses and gaps are computed afterwards from the iterates, at fresh points.
    """

    iterations: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    iterates: list[Tensor] = field(default_factory=list)  # (d,) each
    counts: list[tuple[int, ...]] = field(default_factory=list)  # in the order of COUNTERS

    def __len__(self) -> int:
        return len(self.iterations)

    def keep(self, iteration: int, seconds: float, x: Tensor, counts: tuple[int, ...]) -> None:
        self.iterations.append(iteration)
        self.seconds.append(seconds)
        self.iterates.append(x)
        self.counts.append(counts)

    def end_at(self, iteration: int, seconds: float, x: Tensor, counts: tuple[int, ...]) -> None:
        """Make this iterate the last one, whatever was kept after it."""
        while self.iterations and self.iterations[-1] >= iteration:
            for entries in (self.iterations, self.seconds, self.iterates, self.counts):
                entries.pop()
        self.keep(iteration, seconds, x, counts)

    @property
    def counters(self) -> list[dict[str, int]]:
        """The counters at each kept iterate, by name."""
        return [dict(zip(COUNTERS, counts, strict=True)) for counts in self.counts]
