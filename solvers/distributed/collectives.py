"""Sums over the processes of a group: the only way in which a sharded objective learns of other rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from .faults import reached, why_failed

NOT_STARTED = (
    "there is no process group: start the program with torchrun, and call torch.distributed.init_process_group first"
)


class Group:
    """The processes that hold the shards, and what was sent between them.

    collectives, bytes: how many collectives this process took part in, and the size of the tensors it gave to them (a
    ring sends up to twice that). seconds: how long it was inside them, waiting for other processes and for the network.
    Raises RuntimeError where no process group was started, and RankError where another process does not answer.
    """

    def __init__(self, group: Any = None) -> None:
        if not (dist.is_available() and dist.is_initialized()):
            raise RuntimeError(NOT_STARTED)
        self.group = group
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)
        self.backend = dist.get_backend(group)
        self.device = torch.device("cuda", torch.cuda.current_device()) if self.backend == "nccl" else "cpu"
        self.forget()

    def forget(self) -> None:
        """Count from 0."""
        self.collectives, self.bytes, self.seconds = 0, 0, 0.0

    @contextmanager
    def _collective(self, sent: int) -> Iterator[None]:
        reached()
        began = perf_counter()
        try:
            yield
        except RuntimeError as error:  # of the backend: it knows an address, and not which process that was
            raise why_failed(error) from error
        self.collectives += 1
        self.bytes += sent
        self.seconds += perf_counter() - began

    def sum(self, *parts: Tensor) -> list[Tensor]:
        """The sums of tensors of one dtype over the processes, with their shapes: one collective for all of them."""
        flat = torch.cat([part.reshape(-1) for part in parts])
        with self._collective(flat.numel() * flat.element_size()):
            dist.all_reduce(flat, group=self.group)
        sums = flat.split([part.numel() for part in parts])
        return [total.view(part.shape) for total, part in zip(sums, parts, strict=True)]

    def total(self, *numbers: float) -> list[float]:
        """The sums of numbers, in float64."""
        return self.sum(torch.tensor(numbers, dtype=torch.float64, device=self.device))[0].tolist()

    def largest(self, *numbers: float) -> list[float]:
        """The largest of each number over the processes."""
        found = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        with self._collective(found.numel() * found.element_size()):
            dist.all_reduce(found, dist.ReduceOp.MAX, group=self.group)
        return found.tolist()

    def of_first(self, number: float) -> float:
        """The number of the first process, in all of them."""
        found = torch.tensor([number], dtype=torch.float64, device=self.device)
        with self._collective(8):
            dist.broadcast(found, group=self.group, group_src=0)
        return float(found)

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, in the order of their ranks: for what is small, or rare."""
        found: list[Any] = [None] * self.size
        with self._collective(0):
            dist.all_gather_object(found, value, group=self.group)
        return found
