"""Runs over several processes, which torchrun starts: each has a part of the rows, and the first stores the runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from datasets import Problem
from datasets.own.recipe import VARIABLE
from solvers import Checkpoint, Result
from solvers.common.blocked_rows import BlockedRows
from solvers.distributed import ShardedObjective
from solvers.distributed.collectives import Group
from solvers.distributed.faults import Watch
from solvers.distributed.rows import arguments_of, part_of
from solvers.distributed.traffic import traffic
from solvers.objectives.linear.model import LinearModel

from .measure import Measurement, measure, problem_of
from .suites import Case

END = "end"  # what the first process tells the others after the last run
POLL = 0.05  # seconds between two looks whether the first process is ready
KEPT = 8  # problems of which a process keeps its part
PATIENCE = 3600.0  # seconds that a process waits for its rows


def launched() -> bool:
    """Whether torchrun started this process beside others."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def place() -> tuple[int, int]:
    """The rank of this process, and how many there are."""
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


class Processes:
    """The processes of a command: what is the first's to decide, it tells the others.

    prepared: what the first has prepared, None in the others.
    """

    def __init__(self, group: Group, watch: Watch, prepared: Any = None) -> None:
        self.group, self.watch, self.turns, self.prepared = group, watch, 0, prepared
        self.objects = dist.new_group(backend="gloo", timeout=timedelta(seconds=PATIENCE))  # nccl sends no objects
        self.parts: dict[tuple[str, str, str], Problem] = {}

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

    def agreed(self, value: Any = None) -> Any:
        """The first process's value, in all of them."""
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self.objects)
        return values[0]

    def measure(self, case: Case, repeat: int, checkpoint: Checkpoint) -> tuple[Measurement, dict[str, Any]]:
        """One run of all processes, and its columns: what it sent, and how long the first process waited."""
        problem = sharded(self.part(case), self.group)
        measurement = measure(case, repeat, problem, checkpoint)
        about = columns(measurement, problem.objective, self.group, checkpoint.resumed)
        checkpoint.remove()
        return measurement, about

    def part(self, case: Case) -> Problem:
        """The problem of a case with this process's rows, which the first process, that has all, sends to the others;
        rows on a disk every process reads by itself."""
        key = case.problem, case.dtype, case.device
        if key not in self.parts:
            whole = problem_of(case) if self.first else None
            on_disk = self.agreed(whole and isinstance(whole.objective.X, BlockedRows))
            if on_disk:
                os.environ[VARIABLE] = self.agreed(os.environ.get(VARIABLE, "{}"))
                whole = problem_of(case)
            if len(self.parts) == KEPT:  # in all processes the same
                del self.parts[next(iter(self.parts))]
            if on_disk:
                self.parts[key] = with_rows_of(whole, self.group.rank, self.group.size)
            else:
                self.parts[key] = self._divided(whole, case.device)
        return self.parts[key]

    def _divided(self, whole: Problem | None, device: str) -> Problem:
        """The problem with this process's rows."""
        words = self.agreed(whole and (whole.name, whole.summary, _on(whole.x0, "cpu"), whole.checksum))
        name, summary, x0, checksum = _on(words, device)
        return Problem(name, summary, self.divided(whole and whole.objective, device), None, x0, checksum)

    def divided(self, whole: LinearModel | None, device: str) -> LinearModel:
        """This process's rows of an objective that the first one has whole, and sends to the others."""
        if not self.first:
            sent: list[Any] = [None]
            dist.recv_object_list(sent, 0, self.objects)
            kind, arguments = _on(sent[0], device)
            return kind(**arguments)
        for rank in range(1, self.group.size):
            part = part_of(whole, rank, self.group.size)
            rows = {name: getattr(part, name).clone() for name in ("X", "y")}  # of a slice all would be sent
            dist.send_object_list([_on((type(part), arguments_of(part) | rows), "cpu")], rank, self.objects)
        return part_of(whole, 0, self.group.size)


def _on(value: Any, device: str) -> Any:
    """A plain value with its tensors on a device."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {name: _on(part, device) for name, part in value.items()}
    return tuple(_on(part, device) for part in value) if isinstance(value, tuple) else value


def backend_for(device: str) -> str:
    """nccl between GPUs, gloo between CPUs."""
    return "nccl" if device.startswith("cuda") else "gloo"


@contextmanager
def processes(device: str, patience: float, prepare: Callable[[], Any] = lambda: None) -> Iterator[Processes]:
    """The processes that torchrun started; by nccl where the runs are on GPUs, else by gloo.

    patience: seconds that processes wait in a collective for one that does not come. prepare: what the first process
    does before, however long that takes; if it ends in that, torchrun ends the others. An exception in here is told to
    the others. RankError where the start fails.
    """
    backend = backend_for(device)
    if backend == "nccl":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    store, rank, size = next(dist.rendezvous("env://", timeout=timedelta(seconds=max(patience, 60.0))))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    ready, prepared = f"ready/{attempt}", None
    if rank == 0:
        prepared = prepare()
        store.set(ready, "")
    while not store.check([ready]):
        time.sleep(POLL)
    with Watch(dist.PrefixStore(f"hessbench/{attempt}", store), rank, size) as watch:
        dist.init_process_group(
            backend,
            store=dist.PrefixStore(f"group/{attempt}", store),
            rank=rank,
            world_size=size,
            timeout=timedelta(seconds=patience),
        )
        yield Processes(Group(), watch, prepared)
    dist.destroy_process_group()


def with_rows_of(whole: Problem, rank: int, size: int) -> Problem:
    """The problem with the rows of one process alone. TypeError or ValueError where it cannot be divided."""
    return replace(whole, objective=part_of(whole.objective, rank, size), held_out=None)


def sharded(part: Problem, group: Group) -> Problem:
    """The problem over all processes, from this process's part."""
    return replace(part, objective=ShardedObjective(part.objective, group))


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
