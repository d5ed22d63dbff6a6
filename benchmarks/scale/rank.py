"""One of the processes that share the rows: python -m benchmarks.scale.rank SETTINGS answers a line with a line."""

from __future__ import annotations

import json
import math
import os
import statistics
import sys
from collections.abc import Callable
from datetime import timedelta
from time import perf_counter
from typing import Any

import torch
import torch.distributed as dist

from datasets.loaders.synthetic import correlated_normal
from solvers import SOLVERS, Stop, minimize
from solvers.distributed import ShardedObjective
from solvers.distributed.collectives import Group
from solvers.objectives import LogisticRegression

from ..runner.disturbance import Watch, is_disturbed, processor_tick
from ..runner.environment import WORDS
from ..runner.measure import sentence
from ..runner.processes import traffic_columns

L2 = 1e-5
PATIENCE = 600.0  # seconds that a process waits in a collective
SECONDS = 0.5  # of reading and writing memory


class Rank:
    """A process, its rows and what it is asked for.

    Its rows are `copies` of one block of (block, d) numbers, the same in every process: so f is the same function
    whatever the number of rows and of processes, and a solver takes the same iterations.
    """

    def __init__(self, rank: int, size: int, meeting: str, block: int, copies: int, d: int) -> None:
        torch.set_num_threads(1)
        self.group = None
        if size > 1:
            store, patience = dist.FileStore(meeting, size), timedelta(seconds=PATIENCE)
            dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=patience)
            self.group = Group()
        data = correlated_normal(block, d)
        local = LogisticRegression(data.X.repeat(copies, 1), data.y.repeat(copies), l2=L2)
        self.f = ShardedObjective(local, self.group) if self.group else local

    def together(self) -> None:
        """Wait until all processes are here."""
        if self.group:
            self.group.total(0.0)

    def fit(self, solver: str, iterations: int = 1000) -> dict[str, Any]:
        """Minimise f; the first process's time, and what it sent."""
        self.f.forget()
        watch = Watch()
        self.together()
        if self.group:
            self.group.forget()
        with watch:
            result = minimize(SOLVERS[solver], self.f, stop=Stop(iterations=iterations))
        sent = traffic_columns(result, self.f, self.group) if self.group else {}
        counts = {name: count for name, count in result.counters.items() if count}
        return sent | {
            "seconds": result.seconds,
            "iterations": result.iterations,
            "status": str(result.status),
            "gap": math.nan if result.gap_bound is None else float(result.gap_bound) / abs(float(result.value)),
            "counters": json.dumps(counts),
            "disturbed": is_disturbed(watch.columns(), "", processor_tick()),  # waiting for others is none
        }

    def sum(self, numbers: int, count: int) -> dict[str, Any]:
        """Add up so many numbers in float64, so many times."""
        part, times = torch.ones(numbers, dtype=torch.float64), []
        for _ in range(count):
            self.together()
            began = perf_counter()
            self.group.sum(part)
            times.append(perf_counter() - began)
        return {"bytes": 8 * numbers, "seconds": statistics.median(times)}

    def triad(self) -> dict[str, Any]:
        """GB/s of a + s b while all processes do the same."""
        a, b = torch.ones(WORDS, dtype=torch.float64), torch.ones(WORDS, dtype=torch.float64)
        out, rounds = torch.empty_like(a), 0
        self.together()
        began = perf_counter()
        while (seconds := perf_counter() - began) < SECONDS or not rounds:
            torch.add(a, b, alpha=3.0, out=out)
            rounds += 1
        return {"gbs": 1e-9 * rounds * 3 * 8 * WORDS / seconds}


def answers(lines: Any, say: Callable[[dict[str, Any]], None], settings: dict[str, Any]) -> None:
    """Answer each line until there are no more; what is raised is an answer, and the last."""
    try:
        rank = Rank(**settings)
        say({"ready": True})
        for line in lines:
            words = json.loads(line)
            say(getattr(rank, words.pop("do"))(**words))
    except Exception as error:
        say({"error": sentence(error)})


def main(settings: str) -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def say(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=out, flush=True)

    with torch.inference_mode(False):
        answers(sys.stdin, say, json.loads(settings))
    os._exit(0)  # other processes may have ended: there is nobody to say goodbye to


if __name__ == "__main__":
    main(sys.argv[1])
