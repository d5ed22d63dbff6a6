"""Runs over several processes, which torchrun starts: each has a part of the rows, and the first stores the runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from datasets import Problem
from solvers import Checkpoint, Result
from solvers.distributed import ShardedObjective
from solvers.distributed.collectives import Group
from solvers.distributed.faults import Watch
from solvers.distributed.rows import part_of
from solvers.distributed.traffic import traffic

from .measure import Measurement, measure, problem_of
from .suites import Case

END = "end"  # what the first process tells the others after the last run


def launched() -> bool:
    """Whether torchrun started this process beside others."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def place() -> tuple[int, int]:
    """The rank of this process, and how many there are."""
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


class Processes:
    """The processes of a command: what is the first's to decide, it tells the others."""

    def __init__(self, group: Group, watch: Watch) -> None:
        self.group, self.watch, self.turns = group, watch, 0

    @property
    def first(self) -> bool:
        return self.group.rank == 0

    def told(self, words: str = "") -> str:
        """What the first process says, in all of them; the others wait for it however long it computes."""
        self.turns += 1
        key = f"turn/{self.turns}"
        if self.first:
            self.watch.tell(key, words)
            return words
        return self.watch.wait_for(key)

    def measure(self, case: Case, repeat: int, checkpoint: Checkpoint) -> tuple[Measurement, dict[str, Any]]:
        """One run of all processes, and its columns: what it sent, and how long the first process waited."""
        problem = sharded(problem_of(case), self.group)
        measurement = measure(case, repeat, problem, checkpoint)
        about = columns(measurement, problem.objective, self.group, checkpoint.resumed)
        checkpoint.remove()
        return measurement, about


@contextmanager
def processes(device: str, patience: float) -> Iterator[Processes]:
    """The processes that torchrun started; by nccl where the runs are on GPUs, else by gloo.

    patience: seconds that processes wait in a collective for one that does not come. An exception in here is told to
    the others. RankError where the start fails.
    """
    backend = "nccl" if device.startswith("cuda") else "gloo"
    if backend == "nccl":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    store, rank, size = next(dist.rendezvous("env://", timeout=timedelta(seconds=max(patience, 60.0))))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    with Watch(dist.PrefixStore(f"hessbench/{attempt}", store), rank, size) as watch:
        dist.init_process_group(
            backend,
            store=dist.PrefixStore(f"group/{attempt}", store),
            rank=rank,
            world_size=size,
            timeout=timedelta(seconds=patience),
        )
        yield Processes(Group(), watch)
    dist.destroy_process_group()


def sharded(problem: Problem, group: Group) -> Problem:
    """The problem with this process's part of the rows. TypeError or ValueError where it cannot be divided."""
    part = part_of(problem.objective, group.rank, group.size)
    return replace(problem, objective=ShardedObjective(part, group), held_out=None)


def columns(measurement: Measurement, f: Any, group: Group, resumed: int) -> dict[str, Any]:
    """For a run's rows: the processes, and what was sent.

    resumed: the iteration of the checkpoint from which it went on. Nothing is known of what was sent before that.
    """
    about = {"processes": group.size, "backend": group.backend, "resumed": resumed}
    if measurement.result is None or resumed:
        return about
    return about | traffic_columns(measurement.result, f, group)


def traffic_columns(result: Result, f: Any, group: Group) -> dict[str, float]:
    """What was sent an iteration, measured and by formula, and the seconds inside collectives.

    In a test of convergence some numbers more are sent than the formula has: a few collectives a run.
    """
    steps, visits = max(result.iterations, 1), result.iterations + 1
    expected = traffic(result.counters, visits, f.size, result.x.element_size(), f.l2 == 0 and f.binary)
    return {
        "collectives_an_iteration": group.collectives / steps,
        "collectives_by_formula": expected.collectives / steps,
        "bytes_an_iteration": group.bytes / steps,
        "bytes_by_formula": expected.bytes / steps,
        "seconds_waiting": group.seconds,
    }
