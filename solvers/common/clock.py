"""Clocks that wait for the device: a reading is taken when all work queued so far is done."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import torch

Clock = Callable[[], float]


def device_clock(device: torch.device | str) -> Clock:
    """A clock in seconds for work on `device`.

    Accelerators run behind the host: their kernels are queued, and a plain host clock measures the queueing.
    Each reading here first waits until the device is idle.
    """
    if str(device) == "cpu":
        return perf_counter
    device = torch.device(device)
    backend = getattr(torch, device.type)

    def read() -> float:
        backend.synchronize(device) if device.type == "cuda" else backend.synchronize()
        return perf_counter()

    return read
