"""A process that answers questions within limits of time and memory, and can be ended in the middle of native code.

It comes from a fork server, which imports torch once and starts no thread and no device, so that a new process takes
milliseconds. It stays from question to question; one that hung or died is replaced. It ends with the process that made
it, however that ends. Answers come back as JSON: nothing that a damaged process sends is unpickled.
"""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

STARTED = b"started"
GRACE = 5.0  # seconds that a process which closed its pipe may take to end
START = 120.0  # seconds that a new process may take for its imports
SLOW_IMPORTS = ("sklearn.datasets",)  # of the loaders, which import it when they are first called


class StartError(RuntimeError):
    """No process can be started: that is no answer to any question."""


class LostError(RuntimeError):
    """There is no answer: the process took too long, or it died."""


class DiedError(LostError):
    """The process ended by itself or by a signal."""


class Worker:
    """`ask(*arguments)` is function(*arguments) in another process, which is started when it is first needed.

    function, load, prepare: of a module, which the process imports by name. The answer: plain values, as JSON has them.
    load: called with the arguments before the time limit begins. prepare: called once in a new process. memory: bytes
    that the process may allocate beyond what it takes after `prepare`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        prepare: Callable[[], object] | None = None,
        *,
        load: Callable[..., object] | None = None,
        memory: int | None = None,
    ) -> None:
        self.function, self.prepare, self.load, self.memory = function, prepare, load, memory
        self.process: Any = None
        self.pipe: Connection | None = None
        self.lifeline: Connection | None = None  # closed by the kernel, at the latest when this process ends
        self.answers = 0  # of this process

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def ask(self, *arguments: Any, seconds: float) -> Any:
        """Raises DiedError where the process died, LostError, having ended it, where it takes too long, and StartError.

        Only a new process that dies is blamed on its question. One that has answered before may have been damaged by
        an earlier question: a new process gets the same question once more.
        """
        while True:
            used = self.answers > 0
            try:
                answer = self._answer(arguments, seconds)
            except (EOFError, ConnectionError):
                reason = self._how_it_ended()
                self.close()
                if not used:
                    raise DiedError(f"its process was ended by {reason}") from None
            except TimeoutError:
                self.close()
                raise LostError(f"no end within {seconds:g} s: its process was ended") from None
            else:
                self.answers += 1
                return json.loads(answer)

    def _answer(self, arguments: tuple[Any, ...], seconds: float) -> bytes:
        if self.process is None:
            self._start()
        self.pipe.send(arguments)
        if self.pipe.recv_bytes() != STARTED:
            raise EOFError
        if not self.pipe.poll(seconds):
            raise TimeoutError
        return self.pipe.recv_bytes()

    def _start(self) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([self.function.__module__, *SLOW_IMPORTS])
        self.pipe, theirs = context.Pipe()
        watched, self.lifeline = context.Pipe(duplex=False)
        from datasets import plugins

        ends = theirs, watched
        arguments = (*ends, self.function, self.prepare, self.load, self.memory, our_settings(), plugins.loaded())
        self.process = context.Process(target=_serve, args=arguments, name="hessbench worker", daemon=True)
        self.process.start()
        theirs.close()
        watched.close()
        if not self.pipe.poll(START):
            self.close()
            raise StartError(f"a new process was not ready within {START:g} s")
        if (ready := self.pipe.recv_bytes()) != STARTED:
            self.close()
            raise StartError(f"a new process could not start: {ready.decode()}")

    def _how_it_ended(self) -> str:
        """The end of the process in words."""
        self.process.join(GRACE)
        code = self.process.exitcode
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit status {code}"

    def close(self) -> None:
        """End the process, if there is one."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process.close()
            self.pipe.close()
            self.lifeline.close()
        self.process, self.pipe, self.answers = None, None, 0


def _serve(
    pipe: Connection,
    lifeline: Connection,
    function: Callable[..., Any],
    prepare: Callable[[], object] | None,
    load: Callable[..., object] | None,
    memory: int | None,
    settings: dict[str, str],
    own: list[Any],
) -> None:
    """In the worker: answer until the pipe is closed. settings: variables of the environment; own: plug-ins, both
    of the parent."""
    os.environ.update(settings)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with(lifeline)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)  # what native code prints does not belong into the output of the command
    os.dup2(quiet, 2)
    try:
        if own:
            from datasets.plugins import load_same

            load_same(own)
        if prepare is not None:
            prepare()
        if memory is not None:
            limit_memory(memory)
    except Exception as error:
        pipe.send_bytes(f"{type(error).__name__}: {error}".encode())
        return
    pipe.send_bytes(STARTED)
    while True:
        try:
            arguments = pipe.recv()
        except (EOFError, OSError):
            return
        if load is not None:
            load(*arguments)
        pipe.send_bytes(STARTED)
        pipe.send_bytes(json.dumps(function(*arguments), default=lambda number: number.item()).encode())


def our_settings() -> dict[str, str]:
    """The variables of the environment that are ours: the fork server may have started before they were set."""
    return {name: value for name, value in os.environ.items() if name.startswith("HESSBENCH_")}


def end_with(lifeline: Connection) -> None:
    """Let the kernel end this process when the other end of a pipe is closed, as it is when the parent dies.

    That needs no thread, which native code could keep from running. PR_SET_PDEATHSIG would not do: the parent of this
    process is the fork server, and that lives as long as any process that it made.
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)  # whose default is to end the process
    fcntl.fcntl(lifeline.fileno(), fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(lifeline.fileno(), fcntl.F_GETFL)
    fcntl.fcntl(lifeline.fileno(), fcntl.F_SETFL, flags | os.O_ASYNC)
    if lifeline.poll():  # it was closed before
        os._exit(1)


@contextmanager
def limited_memory(allowed: int) -> Iterator[None]:
    """The same in a context: what needs more is an error there, and not the end of the process by the kernel."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    limit_memory(allowed)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def limit_memory(allowed: int) -> None:
    """Let this process allocate so many bytes more: beyond, an allocation fails.

    RLIMIT_DATA counts private writable memory (Linux 4.7 and later, setrlimit(2)), and not the address space, of which
    libraries, threads and CUDA take much more than they use.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return
    (taken,) = (int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmData"))
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = taken + allowed if hard == resource.RLIM_INFINITY else min(taken + allowed, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
