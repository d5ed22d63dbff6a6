"""The record of a run: its iterates, when they were reached, and at what cost."""

from __future__ import annotations

from torch import Tensor

from ..common.instrumentation import COUNTERS

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


def outside_inference(x: Tensor) -> Tensor:
    """The tensor, or a copy that autograd can work with if it was made in inference mode."""
    return x.clone() if x.is_inference() else x


class Trace:
    """Parallel lists, one entry per recorded iterate: the first 101, then 20 per decade, and always the last.

    iterations; iterates, (d,) each; seconds since the start of the run, each read when the iterate and its value had
    been computed on the device; counts, in the order of COUNTERS. Losses and gaps are computed afterwards from the
    iterates, at fresh points.
    """

    def __init__(self) -> None:
        self.iterations: list[int] = []
        self.seconds: list[float] = []
        self.counts: list[tuple[int, ...]] = []
        self._iterates: list[Tensor] = []

    def __len__(self) -> int:
        return len(self.iterations)

    @property
    def iterates(self) -> list[Tensor]:
        self._iterates[:] = map(outside_inference, self._iterates)
        return self._iterates

    def keep(self, iteration: int, seconds: float, x: Tensor, counts: tuple[int, ...]) -> None:
        self.iterations.append(iteration)
        self.seconds.append(seconds)
        self._iterates.append(x)
        self.counts.append(counts)

    def end_at(self, iteration: int, seconds: float, x: Tensor, counts: tuple[int, ...]) -> None:
        """Make this iterate the last one, whatever was kept after it."""
        while self.iterations and self.iterations[-1] >= iteration:
            for entries in (self.iterations, self.seconds, self._iterates, self.counts):
                entries.pop()
        self.keep(iteration, seconds, x, counts)

    @property
    def counters(self) -> list[dict[str, int]]:
        """The counters at each kept iterate, by name."""
        return [dict(zip(COUNTERS, counts, strict=True)) for counts in self.counts]
