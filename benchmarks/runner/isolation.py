"""A run in a process of its own: a solver that hangs, takes all memory or kills its process is a row like any other.

The worker calls the same `measure` and `evaluate`, and stays, warm, from run to run; one that was lost is replaced. It
comes from a fork server, which imports torch once and starts no thread and no device, so that a new one takes
milliseconds. Rows come back as JSON: nothing that a worker sends is unpickled.
"""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from datasets import build, certificate
from solvers import Status

from .measure import Measurement, evaluate, measure, sentence
from .suites import Case

READY = b"ready"
GRACE = 5.0  # seconds between asking a worker to end and ending it
SLOW = ("sklearn.datasets",)  # imported late, by the loaders
DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True)
class Limits:
    """What a run may take. seconds: of the wall clock, its warm-up and the evaluation of its iterates included, the
    data and the certificate not. memory: bytes that it may allocate on the host, beyond what the worker began with."""

    seconds: float
    memory: int


class Worker:
    """Measures in another process, within limits. prepare: called in that process first."""

    def __init__(self, limits: Limits, prepare: Callable[[], object] | None = None) -> None:
        self.limits, self.prepare = limits, prepare
        self.process: Any = None
        self.pipe: Connection | None = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._lose()

    def rows(self, case: Case, repeat: int) -> list[dict[str, Any]]:
        """The rows of one run; where it did not come to an end, the one that says why."""
        try:
            rows = json.loads(self._ask(case, repeat))
            if rows[0]["status"] == Status.ERROR:  # what it left behind is not for the next run
                self._lose()
            return rows
        except EOFError:
            self.process.join(GRACE)
            why = f"its process was ended by {_ending(self.process.exitcode)}"
        except TimeoutError:
            why = f"no end within {self.limits.seconds:g} s: its process was ended"
        self._lose()
        return evaluate(Measurement(case, repeat, None, why))

    def _ask(self, case: Case, repeat: int) -> bytes:
        """Raises EOFError where the worker is gone, TimeoutError where it takes too long."""
        if self.process is None or not self.process.is_alive():
            self._lose()
            self._start()
        try:
            self.pipe.send((case, repeat))
            if self.pipe.recv_bytes() != READY:
                raise EOFError
            if not self.pipe.poll(self.limits.seconds):
                raise TimeoutError
            return self.pipe.recv_bytes()
        except (BrokenPipeError, ConnectionResetError):
            raise EOFError from None

    def _start(self) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, *SLOW])
        self.pipe, theirs = context.Pipe()
        arguments = (theirs, self.limits.memory, self.prepare)
        self.process = context.Process(target=_serve, args=arguments, name="hessbench worker", daemon=True)
        self.process.start()
        theirs.close()

    def _lose(self) -> None:
        """End the worker, if there is one."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process.close()
            self.pipe.close()
        self.process = self.pipe = None


def _ending(code: int | None) -> str:
    """An exit status in words."""
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit status {code}"


def _serve(pipe: Connection, memory: int, prepare: Callable[[], object] | None) -> None:
    """In the worker: measure what is asked for until there is nobody who asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)  # nobody outlives the fork server
    if prepare is not None:
        prepare()
    limit_memory(memory)
    while True:
        try:
            case, repeat = pipe.recv()
        except (EOFError, OSError):
            return
        build(case.problem)
        certificate(case.problem)
        pipe.send_bytes(READY)
        try:
            rows = evaluate(measure(case, repeat))
        except (MemoryError, RuntimeError) as error:  # the limit was met after the run
            rows = evaluate(Measurement(case, repeat, None, sentence(error)))
        pipe.send_bytes(json.dumps(rows).encode())


def limit_memory(allowed: int) -> None:
    """Let this process allocate so many bytes more: beyond, an allocation fails and the run says so.

    RLIMIT_DATA counts private writable memory (Linux 4.7 and later, setrlimit(2)), and not address space alone, of
    which libraries, threads and CUDA take much more than they use.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return
    (taken,) = (int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmData"))
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = taken + allowed if hard == resource.RLIM_INFINITY else min(taken + allowed, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
