"""Command lines in processes of their own, forked from this one: what they imported is there already."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any


class Fork:
    """A process that calls a command line, and what it prints. To be killed at any moment."""

    def __init__(self, app: Callable[[list[str]], Any], *arguments: str) -> None:
        pipes = [os.pipe(), os.pipe()]
        self.pid = os.fork()
        if self.pid == 0:
            for number, (_, write) in enumerate(pipes, start=1):
                os.dup2(write, number)
            os.closerange(3, 1024)
            self._become(app, arguments)
        for _, write in pipes:
            os.close(write)
        self.output, self.errors = (os.fdopen(read) for read, _ in pipes)

    @staticmethod
    def _become(app: Callable[[list[str]], Any], arguments: tuple[str, ...]) -> None:
        code = 99
        try:
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            app(list(arguments))
        except SystemExit as error:
            code = error.code
        except KeyboardInterrupt:
            code = 98
        finally:  # never back into the test
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(code or 0)

    def lines(self, count: int) -> list[str]:
        """So many lines of its output, or as many as there are before its end."""
        return [line for _, line in zip(range(count), self.output, strict=False)]

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def end(self) -> tuple[int, list[str], str]:
        """Wait for it: its exit status (a signal's number below zero), the rest of its output, its errors."""
        rest, errors = self.output.readlines(), self.errors.read()
        for stream in (self.output, self.errors):
            stream.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), rest, errors
