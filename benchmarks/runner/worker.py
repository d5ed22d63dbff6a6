"""A process that answers one question at a time, and can be ended in the middle of native code."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

START = 120.0  # seconds a new process may take for its imports


class LostError(RuntimeError):
    """The process gave no answer in time, or died."""


class Worker:
    """`ask(*arguments)` is function(*arguments) in another process, which is made when it is first needed.

    function: of a module, for the other process imports it by name. prepare: what the process does first, outside of
    any time limit but its own.
    """

    def __init__(self, function: Callable[..., Any], prepare: Callable[[], None] | None = None) -> None:
        self.function, self.prepare = function, prepare
        self.process: Any = None
        self.pipe: Any = None

    def ask(self, *arguments: Any, seconds: float) -> Any:
        """Raises LostError, and ends the process, where no answer is there after so many seconds."""
        if self.process is None:
            self._start()
        try:
            self.pipe.send(arguments)
            if self.pipe.poll(seconds):
                return self.pipe.recv()
            reason = f"no answer after {seconds:g} s: its process was ended"
        except (EOFError, OSError):
            self.process.join(5)
            reason = f"its process died (exit code {self.process.exitcode})"
        self.close()
        raise LostError(reason)

    def _start(self) -> None:
        context = get_context("spawn")  # a fork would inherit threads of numerical libraries
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self.function, self.prepare), daemon=True)
        self.process.start()
        theirs.close()
        try:
            if self.pipe.poll(START):
                self.pipe.recv()
                return
        except (EOFError, OSError):
            pass
        self.close()
        raise LostError(f"a process for fits did not start within {START:g} s")

    def close(self) -> None:
        """End the process, where there is one."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.pipe.close()
            self.process = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def _serve(pipe: Connection, function: Callable[..., Any], prepare: Callable[[], None] | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)  # what native code of a library prints is not the table's
    os.dup2(quiet, 2)
    if prepare:
        prepare()
    pipe.send("ready")
    while True:
        try:
            arguments = pipe.recv()
        except EOFError:
            return
        pipe.send(function(*arguments))
